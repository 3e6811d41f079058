using System.Text.Json;
using Dunning.Commands;
using Dunning.Hosting;
using Dunning.Tests.Postgres;
using NodaTime;

namespace Dunning.Tests.Commands;

/// <summary>The tour, stopped on Tuesday 7 April 2026 at noon: every kind of account is in the middle of something.</summary>
public sealed class TourInApril : IAsyncLifetime
{
    public string ConnectionString { get; private set; } = "";

    public async Task InitializeAsync()
    {
        ConnectionString = await TestServer.NewDatabaseAsync();
        var settings = TourBook.Settings(ConnectionString);
        var book = await TourBook.ReadAsync();
        await using var run = await SimulationRun.OnDatabaseAsync(
            TourBook.Context, settings, book, book.Span! with { To = Instant.FromUtc(2026, 4, 7, 12, 0) },
            await Database.OpenAsync(settings, default), default);
        await run.RunAsync(default);
    }

    public Task DisposeAsync() => Task.CompletedTask;
}

public sealed class ShowCommandTests(TourInApril tour) : IClassFixture<TourInApril>
{
    [Fact]
    public async Task Show_LimitedAccess_TellsWhatEndsItAndWhatWaits()
    {
        var text = await ShowAsync("suspended-then-returns");

        Has(text, "as of Tue 7 April 2026, 14:00 (simulated); dates and times are those of Europe/Paris");
        Has(text, "limited: suspended since 31 March 2026");
        Has(text, "temporary access until Fri 10 April 2026, 11:00");
        Has(text, "purge on 29 June 2026");
        Has(text, "blocked by a hard decline until it is replaced");
        Has(text, "held: it was to renew on 2 April 2026");
        Has(text, "last attempt failed: hard decline");
        Has(text, "exhausted: no more attempts until");
        Has(text, "Fri 10 April 2026, 11:00      temporary access ends; the account is suspended again");
        Has(text, "Sat 30 May 2026, 09:00        reminder 'purge warning' about 29 June 2026");
        Has(text, "the purge of 29 June 2026 waits: the account has temporary access only");
        Has(text, "suspended-then-returns-1 is held: it was to renew on 2 April 2026 for 299.94 EUR, but the account has temporary access only "
            + "and its invoice of 2 March 2026 is unpaid");
        Has(text, "    11:00  temporary access granted until Fri 10 April 2026, 11:00");
    }

    [Fact]
    public async Task Show_Suspended_OnLegalHold_IsNotPurged()
    {
        var text = await ShowAsync("legal-hold");

        Has(text, "suspended since 31 March 2026");
        Has(text, "purge date 29 June 2026, but a legal hold: not purged");
        Has(text, "the purge of 29 June 2026 waits: there is a legal hold");
        Has(text, "'suspension warning' to all agents since Mon 23 March 2026, 09:00");
    }

    [Fact]
    public async Task Show_InDunning_TellsTheNextAttemptAndTheSuspensionInTheAccountsZone()
    {
        var text = await ShowAsync("osaka");

        Has(text, "as of Tue 7 April 2026, 21:00 (simulated); dates and times are those of Asia/Tokyo");
        Has(text, "15,800 JPY  osaka-1, 5 April 2026 to 4 May 2026, invoice INV-2026-");
        Has(text, "last attempt failed: insufficient funds");
        Has(text, "dunning since 5 April 2026: step 1 of 4 done on 7 April 2026");
        Has(text, "next attempt 9 April 2026; suspends on 4 May 2026 if nothing is paid");
        Has(text, "Thu 9 April 2026, 09:00       dunning step 2 of 4: 15,800 JPY of osaka-1, 5 April 2026 is tried again; if that fails: "
            + "mail 'payment failed' and an in-app notice to owners and admins");
        Has(text, "Mon 4 May 2026, 09:00         the account is suspended if every attempt until then fails");
        Has(text, "osaka-1 is held: it is to renew on 5 May 2026 for 15,800 JPY, but its invoice of 5 April 2026 is unpaid");
    }

    [Fact]
    public async Task Show_Healthy_TellsItsReminderRenewalAndPeriod()
    {
        var text = await ShowAsync("leap-day");

        Has(text, "2 × Team, yearly (team-yearly), renews on 28 February 2027");
        Has(text, "Thu 14 January 2027, 09:00    reminder 'renewal upcoming' about 28 February 2027 for leap-day-1");
        Has(text, "Sun 28 February 2027, 09:00   leap-day-1 renews for 28 February 2027 to 28 February 2028: 1,199.76 EUR to be charged");
        Has(text, "  Saturday 28 February 2026" + Environment.NewLine + "    09:00  invoice for 28 February 2026 to 27 February 2027: 1,199.76 EUR due");
    }

    [Fact]
    public async Task Show_Canceled_IsClosedAndNothingIsAhead()
    {
        var text = await ShowAsync("cancels-at-period-end");

        Has(text, "closed: no live subscription, nothing owed");
        Has(text, "cancels-at-period-end-1 canceled; it was 5 × Team, monthly (team-monthly)");
        Has(text, "nothing: the account is closed");
    }

    [Fact]
    public async Task Show_Events_LimitsTheTimelineToTheNewest()
    {
        var text = await ShowAsync("cancels-at-period-end", "--events", "2");

        Has(text, "WHAT HAPPENED, THE LAST 2 OF ");
        Has(text, "account closed: nothing is live and nothing is owed");
        Assert.DoesNotContain("mail 'receipt'", text);
    }

    [Fact]
    public async Task Show_Json_IsOneObjectWithoutTokens()
    {
        var text = await ShowAsync("osaka", "--json", "--events", "100");

        using var json = JsonDocument.Parse(text);
        var root = json.RootElement;
        Assert.Equal("osaka", root.GetProperty("account").GetString());
        Assert.Equal("2026-04-07T12:00:00Z", root.GetProperty("as_of").GetString());
        var unpaid = Assert.Single(root.GetProperty("unpaid").EnumerateArray());
        Assert.Equal(15800, unpaid.GetProperty("amount_due").GetInt64());
        Assert.Equal("2026-04-09", unpaid.GetProperty("case").GetProperty("next_attempt_on").GetString());
        Assert.Equal("2026-05-04", unpaid.GetProperty("case").GetProperty("suspends_on").GetString());
        Assert.Equal("step", root.GetProperty("next")[0].GetProperty("kind").GetString());
        Assert.Equal("2026-04-09T00:00:00Z", root.GetProperty("next")[0].GetProperty("at").GetString());
        Assert.Contains(root.GetProperty("events").EnumerateArray(),
            e => e.GetProperty("type").GetString() == "charge.failed" && e.GetProperty("method").GetString() == "osaka-card");
    }

    [Fact]
    public async Task Show_UnknownAccount_SaysSoWithCode2()
    {
        var (code, output, error) = await TourBook.RunAsync("show", "Osak", "--set", "ConnectionStrings:Dunning=" + tour.ConnectionString);

        Assert.Equal(CommandLine.Failed, code);
        Assert.Empty(output);
        Assert.Contains("there is no account 'Osak' in database ", error);
        Assert.Contains("; there is osaka", error);
    }

    private static void Has(string text, string part) => Assert.Contains(part, text);

    private async Task<string> ShowAsync(params string[] args)
    {
        var (code, output, error) = await TourBook.RunAsync(["show", .. args, "--set", "ConnectionStrings:Dunning=" + tour.ConnectionString]);
        Assert.Equal("", error);
        Assert.Equal(CommandLine.Ok, code);
        Assert.DoesNotContain("sandbox_", output);
        Assert.DoesNotContain('\u001b', output);
        return output;
    }
}
