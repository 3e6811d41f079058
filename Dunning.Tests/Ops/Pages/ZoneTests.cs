using Dunning.Mail;
using Dunning.Ops.Frame;
using Dunning.Ops.Pages;
using Dunning.Ops.Queries;
using Dunning.Ops.SignIn;
using Dunning.Tests.Faults;
using Dunning.Tests.Guards;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.SignIn;
using Dunning.Time;
using NodaTime;

namespace Dunning.Tests.Ops.Pages;

/// <summary><c>Ops:TimeZone</c>: the pages tell the time as operators have it, and say which it is.</summary>
[Collection(nameof(ServiceRig))]
public sealed class ZoneTests
{
    [Fact]
    public void A_zone_is_one_of_the_IANA_database_and_UTC_where_none_is_given()
    {
        Assert.Equal("UTC", Read(null).Settings!.Zone.Id);
        Assert.Equal("Asia/Tokyo", Read("Asia/Tokyo").Settings!.Zone.Id);
        foreach (var wrong in new[] { "CEST", "+02:00", "Europe/Nowhere" })
        {
            Assert.Equal([$"Ops:TimeZone is '{wrong}', but must be an IANA time zone, such as Europe/Paris"], Read(wrong).Faults.ToArray());
        }

        static (OpsSettings? Settings, System.Collections.Immutable.ImmutableArray<string> Faults) Read(string? zone) =>
            OpsSettings.Read(new Dictionary<string, string?> { ["Ops:TimeZone"] = zone });
    }

    [Theory]
    [InlineData("UTC", "2026-03-29T00:59:00Z", "2026-03-29 00:59 UTC")]
    [InlineData("Europe/Paris", "2026-03-29T00:59:00Z", "2026-03-29 01:59 CET")]
    [InlineData("Europe/Paris", "2026-03-29T01:00:00Z", "2026-03-29 03:00 CEST")]
    [InlineData("America/Sao_Paulo", "2026-03-29T01:00:00Z", "2026-03-28 22:00 -03")]
    public void An_instant_says_its_zone_and_its_element_the_instant(string zone, string at, string told)
    {
        var show = new Show(OpsTexts.Load(MailTexts.Load()).In("en"), ZoneData.Current[zone]);
        Assert.Equal($"<time datetime=\"{at}\">{told}</time>", show.Time(NodaTime.Text.InstantPattern.General.Parse(at).Value).ToString());
    }

    [Fact]
    public async Task Days_of_the_takings_begin_where_the_zone_has_them()
    {
        await using var rig = await GuardRig.NewAsync([Population.Account(1, "sandbox_ok")]);
        await GuardRig.RunAsync(await rig.ServerAsync());
        var queries = new OverviewQueries(rig.Database.Source);

        // Charged at 08:00 UTC on 1 March: twelve hours west it is still February.
        foreach (var (zone, day) in new[] { ("UTC", new DateOnly(2026, 3, 1)), ("Etc/GMT+12", new DateOnly(2026, 2, 28)), ("Pacific/Kiritimati", new DateOnly(2026, 3, 1)) })
        {
            var row = Assert.Single(await queries.TakingsAsync(new LocalDate(2026, 2, 20), new LocalDate(2026, 3, 5), ZoneData.Current[zone], default));
            Assert.Equal((day, 1, 1799), (row.Day, row.Charges, row.Charged));
        }
    }

    [Fact]
    public async Task The_pages_tell_the_time_in_it_and_name_no_other()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true, ("Ops:TimeZone", "Asia/Tokyo"));
        Assert.Equal(0, (await ops.Rig.CommandAsync("pass", "all")).Code);
        using var browser = await ops.SignInAsync("admin");
        foreach (var path in new[] { "/ops", "/ops/cases", "/ops/charges", "/ops/passes", "/ops/mails", "/ops/audit", "/ops/me" })
        {
            var text = await browser.TextAsync(path);
            Assert.Equal((path, false), (path, text.Replace("those of UTC", "", StringComparison.Ordinal).Contains("UTC", StringComparison.Ordinal)));
            Assert.Equal((path, path is not ("/ops/cases" or "/ops/charges")), (path, text.Contains(" JST</time>", StringComparison.Ordinal)));
        }
        Assert.Contains("Attempts by day in the time zone Asia/Tokyo", await browser.TextAsync("/ops"), StringComparison.Ordinal);
    }
}
