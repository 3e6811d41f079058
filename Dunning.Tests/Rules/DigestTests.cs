using Dunning.Model;
using Dunning.Passes;
using Dunning.Rules;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Tests.Rules;

public sealed class DigestTests
{
    // 2 March 2026 is a Monday. Would miss: a digest at the instant of the decision itself, or one that is a day or a week late, or an hour off.
    [Theory]
    [InlineData("Europe/Paris", "09:00", "2026-03-03T07:59:59Z", "2026-03-03T08:00:00Z", "2026-03-09T08:00:00Z")] // Tuesday, a second before
    [InlineData("Europe/Paris", "09:00", "2026-03-03T08:00:00Z", "2026-03-04T08:00:00Z", "2026-03-09T08:00:00Z")] // then exactly: strictly after
    [InlineData("Europe/Paris", "09:00", "2026-03-02T07:59:59Z", "2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z")] // Monday before: today, too
    [InlineData("Europe/Paris", "09:00", "2026-03-02T08:00:00Z", "2026-03-03T08:00:00Z", "2026-03-09T08:00:00Z")] // Monday exactly: in a week
    [InlineData("Europe/Paris", "09:00", "2026-03-08T22:59:59Z", "2026-03-09T08:00:00Z", "2026-03-09T08:00:00Z")] // Sunday, 23:59
    [InlineData("Europe/Paris", "00:00", "2026-03-08T22:59:59Z", "2026-03-08T23:00:00Z", "2026-03-08T23:00:00Z")] // Monday begins
    [InlineData("Europe/Paris", "09:00", "2026-03-28T12:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z")] // over the change of clocks
    [InlineData("Europe/Paris", "02:30", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z")] // in the gap: its end
    [InlineData("Europe/Paris", "02:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")] // in the overlap: the earlier one
    [InlineData("Europe/Paris", "02:30", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z", "2026-10-26T01:30:00Z")] // and only once
    [InlineData("Pacific/Kiritimati", "09:00", "2026-03-01T18:59:59Z", "2026-03-01T19:00:00Z", "2026-03-01T19:00:00Z")] // Monday there, Sunday here
    [InlineData("Pacific/Honolulu", "09:00", "2026-03-02T09:00:00Z", "2026-03-02T19:00:00Z", "2026-03-02T19:00:00Z")] // Sunday there, Monday here
    public void A_digest_goes_at_the_next_charge_time_of_its_day(string zone, string chargeAt, string decidedAt, string daily, string weekly)
    {
        var (there, time) = (ZoneData.V2025b[zone], LocalTimePattern.CreateWithInvariantCulture("HH:mm").Parse(chargeAt).Value);
        Assert.Equal(
            (At(daily), At(weekly)),
            (After(MailFrequency.Daily), After(MailFrequency.Weekly)));

        Instant After(MailFrequency frequency) => Digesting.After(At(decidedAt), frequency, date => LocalClock.DueAt(date, time, there), there);
    }

    // Would miss: a digest that still leaves at the old ChargeAt, or of which `show` says something else than the service does.
    [Theory]
    [InlineData("09:00", MailFrequency.Daily, "2026-03-04T08:00:00Z")]
    [InlineData("07:00", MailFrequency.Daily, "2026-03-04T06:00:00Z")]
    [InlineData("07:00", MailFrequency.Weekly, "2026-03-09T06:00:00Z")]
    [InlineData("07:00", MailFrequency.AtOnce, "2026-03-03T12:00:00Z")]
    public void When_it_is_due_follows_the_settings_and_the_contact_as_they_are_and_the_forecast_agrees(string chargeAt, MailFrequency frequency, string at)
    {
        var decidedAt = At("2026-03-03T12:00:00Z");
        var rules = Samples.Rules(("Dunning:ChargeAt", "09:00"));
        var account = Samples.Account("a", decidedAt) with { Contacts = [new Contact(1, "owner@a.example", "", ContactRole.Owner, null) { Frequency = MailFrequency.Weekly }] };
        var held = Pass.Act(account, new AccountAction(decidedAt, "a", ActionNames.Credit) { Amount = 5 }, decidedAt, rules);
        Assert.Equal(At("2026-03-09T08:00:00Z"), held.Due[PassKind.All]);

        var file = held.After with { Contacts = [held.After.Contacts[0] with { Frequency = frequency }] };
        var (now, others) = (At("2026-03-03T15:00:00Z"), Samples.Rules(("Dunning:ChargeAt", chargeAt)));
        Assert.Equal((At(at), At(at)), (Pass.DueOf(file, now, others)[PassKind.Mail]!.Value, Assert.Single(Forecast.Of(file, now, others)).At!.Value));
    }

    private static Instant At(string text) => InstantPattern.General.Parse(text).Value;
}
