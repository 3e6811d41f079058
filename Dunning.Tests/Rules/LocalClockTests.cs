using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Tests.Rules;

public sealed class LocalClockTests
{
    // RULES 1: in a gap the first instant after it, in an overlap the earlier instant.
    [Theory]
    [InlineData("Europe/Paris", "2026-01-15", "09:00", "2026-01-15T08:00:00Z")]
    [InlineData("Europe/Paris", "2026-07-15", "09:00", "2026-07-15T07:00:00Z")]
    [InlineData("Europe/Paris", "2026-03-29", "02:30", "2026-03-29T01:00:00Z")] // gap 02:00-03:00: not 03:30
    [InlineData("Europe/Paris", "2026-03-29", "02:00", "2026-03-29T01:00:00Z")] // its first minute
    [InlineData("Europe/Paris", "2026-03-29", "03:00", "2026-03-29T01:00:00Z")] // its end
    [InlineData("Europe/Paris", "2026-10-25", "02:30", "2026-10-25T00:30:00Z")] // overlap: summer time's 02:30
    [InlineData("Europe/Paris", "2026-10-25", "03:00", "2026-10-25T02:00:00Z")]
    [InlineData("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00:00Z")]
    [InlineData("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30:00Z")]
    [InlineData("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30:00Z")] // a gap of half an hour: 02:00-02:30
    [InlineData("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45:00Z")] // an overlap of half an hour: 01:30-02:00
    [InlineData("America/St_Johns", "2026-03-08", "02:30", "2026-03-08T05:30:00Z")] // -03:30
    [InlineData("America/St_Johns", "2026-11-01", "01:30", "2026-11-01T04:00:00Z")] // -02:30
    [InlineData("America/Santiago", "2026-09-06", "00:30", "2026-09-06T04:00:00Z")] // a gap at midnight: 00:00-01:00
    [InlineData("America/Santiago", "2026-09-06", "00:00", "2026-09-06T04:00:00Z")]
    [InlineData("America/Santiago", "2026-04-04", "23:30", "2026-04-05T02:30:00Z")] // an overlap before midnight
    [InlineData("Asia/Kathmandu", "2026-05-01", "09:00", "2026-05-01T03:15:00Z")]
    [InlineData("Pacific/Apia", "2011-12-30", "09:00", "2011-12-30T10:00:00Z")] // a day that never was: the first instant of the next
    public void A_date_falls_due_at_the_charge_time(string zone, string date, string chargeAt, string expected) =>
        Assert.Equal(At(expected), LocalClock.DueAt(Date(date), Time(chargeAt), ZoneData.V2025b[zone]));

    [Theory]
    [InlineData("Europe/Paris", "2026-02-28T22:59:59Z", "2026-02-28")]
    [InlineData("Europe/Paris", "2026-02-28T23:00:00Z", "2026-03-01")]
    [InlineData("Pacific/Kiritimati", "2026-02-28T10:00:00Z", "2026-03-01")]
    [InlineData("Pacific/Honolulu", "2026-03-01T09:59:59Z", "2026-02-28")]
    [InlineData("Australia/Lord_Howe", "2026-06-01T13:29:59Z", "2026-06-01")]
    [InlineData("Australia/Lord_Howe", "2026-06-01T13:30:00Z", "2026-06-02")]
    public void An_instant_has_the_accounts_date(string zone, string instant, string expected) =>
        Assert.Equal(Date(expected), LocalClock.LocalDateOf(At(instant), ZoneData.V2025b[zone]));

    [Theory]
    [InlineData("Europe/Paris", "2026-03-29", "2026-03-28T23:00:00Z")]
    [InlineData("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z")] // begins at 01:00
    [InlineData("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z")] // begins at 01:00
    public void A_day_begins_at_its_first_instant(string zone, string date, string expected) =>
        Assert.Equal(At(expected), LocalClock.StartOf(Date(date), ZoneData.V2025b[zone]));

    // Morocco keeps +01:00 but for Ramadan in 2025b; the newest data give that up from September 2026 on. Books were made with the first.
    [Theory]
    [InlineData("2025b", "2026-03-01", "2026-03-01T09:00:00Z")] // Ramadan
    [InlineData("2025b", "2026-04-01", "2026-04-01T08:00:00Z")]
    [InlineData("2025b", "2027-01-15", "2027-01-15T08:00:00Z")]
    [InlineData("current", "2026-03-01", "2026-03-01T09:00:00Z")]
    [InlineData("current", "2026-04-01", "2026-04-01T08:00:00Z")]
    public void Casablanca_is_in_both_versions_of_the_data(string version, string date, string expected) =>
        Assert.Equal(At(expected), LocalClock.DueAt(Date(date), new LocalTime(9, 0), ZoneData.Find(version)!["Africa/Casablanca"]));

    [Fact]
    public void The_two_versions_differ_where_a_law_changed()
    {
        var noon = Instant.FromUtc(2027, 1, 15, 12, 0);
        Assert.NotEqual(ZoneData.V2025b["Africa/Casablanca"].GetUtcOffset(noon), ZoneData.Current["Africa/Casablanca"].GetUtcOffset(noon));
        Assert.Equal("2025b", ZoneData.V2025b.Version);
        Assert.NotEqual("2025b", ZoneData.Current.Version);
    }

    [Fact]
    public void Every_zone_of_the_package_is_in_both_versions()
    {
        var instants = new[] { Instant.FromUtc(2015, 6, 1, 0, 0), Instant.FromUtc(2026, 3, 29, 1, 0), Instant.FromUtc(2059, 12, 31, 0, 0) };
        foreach (var id in LocalClock.ZoneIds)
        {
            Assert.True(LocalClock.IsZone(id));
            foreach (var instant in instants)
            {
                // A listed zone that is cut short would throw.
                var date = LocalClock.LocalDateOf(instant, ZoneData.V2025b[id]);
                Assert.True(LocalClock.DueAt(date, new LocalTime(9, 0), ZoneData.V2025b[id]) > LocalClock.StartOf(date, ZoneData.V2025b[id]) - Duration.FromHours(1));
            }
        }
        Assert.False(LocalClock.IsZone("Europe/Paname"));
        Assert.Null(ZoneData.Find("2024a"));
    }

    private static LocalDate Date(string text) => LocalDatePattern.Iso.Parse(text).Value;

    private static LocalTime Time(string text) => LocalTimePattern.CreateWithInvariantCulture("HH:mm").Parse(text).Value;

    private static Instant At(string text) => InstantPattern.General.Parse(text).Value;
}
