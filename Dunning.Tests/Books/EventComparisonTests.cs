using Dunning.Books;
using Dunning.Events;
using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Books;

public sealed class EventComparisonTests
{
    private static readonly string[] Lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "books", "tour", "events.jsonl"));

    [Fact]
    public async Task The_order_of_lines_and_of_recipients_and_other_fields_do_not_matter()
    {
        var actual = Lines.Reverse().Select(l => l.Replace("\"type\":", "\"number\": 7, \"type\":", StringComparison.Ordinal)
            .Replace("[\"compta@month-end.example\", \"owner@month-end.example\"]", "[\"owner@month-end.example\", \"compta@month-end.example\"]", StringComparison.Ordinal));

        var comparison = await CompareAsync(Lines, actual);

        Assert.Equal(["833 events, all as expected"], comparison.Describe());
    }

    [Fact]
    public async Task A_changed_line_is_missing_and_unexpected()
    {
        var comparison = await CompareAsync(Lines, Lines.Select((l, i) => i == 9 ? l.Replace("\"step\": 0", "\"step\": 1", StringComparison.Ordinal) : l));

        var difference = Assert.Single(comparison.Differences());
        Assert.Equal((Instant.FromUtc(2026, 2, 10, 8, 0), "yearly-gets-days-back"), (difference.At, difference.Account));
        Assert.Equal(["dunning.opened subscription=\"yearly-gets-days-back-1\" period_start=\"2026-02-10\" step=0"], difference.Missing.ToArray());
        Assert.Equal(["dunning.opened subscription=\"yearly-gets-days-back-1\" period_start=\"2026-02-10\" step=1"], difference.Unexpected.ToArray());
        Assert.Equal(
            [
                "833 events expected, 833 happened: 1 missing and 1 unexpected, in 1 accounts",
                "2026-02-10T08:00:00Z yearly-gets-days-back",
                "  missing     dunning.opened subscription=\"yearly-gets-days-back-1\" period_start=\"2026-02-10\" step=0",
                "  unexpected  dunning.opened subscription=\"yearly-gets-days-back-1\" period_start=\"2026-02-10\" step=1",
            ],
            comparison.Describe());
    }

    [Fact]
    public async Task A_removed_line_is_missing()
    {
        var comparison = await CompareAsync(Lines, Lines[1..]);

        Assert.Equal((1, 0), (comparison.MissingCount, comparison.UnexpectedCount));
        Assert.StartsWith("invoice.issued ", Assert.Single(comparison.Differences()).Missing.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_added_line_is_unexpected()
    {
        var comparison = await CompareAsync(Lines, [.. Lines, """{"at":"2026-03-03T00:00:00Z","account":"month-end","type":"account.closed"}"""]);

        Assert.Equal((0, 1), (comparison.MissingCount, comparison.UnexpectedCount));
        Assert.Equal(["account.closed"], Assert.Single(comparison.Differences()).Unexpected.ToArray());
    }

    [Fact]
    public async Task A_line_that_is_there_twice_is_unexpected_once()
    {
        var comparison = await CompareAsync(Lines, [.. Lines, Lines[4]]);

        Assert.Equal((0, 1), (comparison.MissingCount, comparison.UnexpectedCount));
    }

    [Fact]
    public async Task A_moved_line_is_a_difference_at_both_instants()
    {
        var comparison = await CompareAsync(Lines, Lines.Select((l, i) => i == 0 ? l.Replace("T08:00:00Z", "T09:00:00Z", StringComparison.Ordinal) : l));

        Assert.Equal([Instant.FromUtc(2026, 1, 31, 8, 0), Instant.FromUtc(2026, 1, 31, 9, 0)], comparison.Differences().Select(d => d.At));
        Assert.Single(comparison.FirstOfEachAccount());
    }

    [Fact]
    public async Task A_run_may_end_before_its_book()
    {
        var end = Instant.FromUtc(2026, 2, 3, 8, 0);
        var count = 0;
        using var folder = new BookFolder();
        folder.Write("events.jsonl", string.Join('\n', Lines));

        await ExpectedEvents.ReadAsync(folder.In("events.jsonl"), e =>
        {
            Assert.True(e.At <= end);
            count++;
        }, upTo: end);

        Assert.Equal(6, count);
    }

    [Fact]
    public async Task An_event_that_happened_is_compared_by_the_fields_of_its_type()
    {
        var at = Instant.FromUtc(2026, 1, 31, 8, 0);
        var comparison = new EventComparison();
        await ReadAsync(
            [
                """{"at":"2026-01-31T08:00:00Z","account":"é","type":"email.sent","template":"receipt","to":["a@x.example","b@x.example"]}""",
                """{"at":"2026-01-31T08:00:00Z","account":"é","type":"charge.succeeded","subscription":"s","period_start":"2026-01-31","amount":1800,"method":"sandbox_ok"}""",
            ], comparison.Expect);

        comparison.Happened(ComparableEvent.Of(new BookEvent(at, "é", EventTypes.EmailSent)
        {
            Template = "receipt",
            To = [To(2, "b@x.example"), To(1, "a@x.example")],
            Subscription = "not compared",
        }));
        comparison.Happened(ComparableEvent.Of(new BookEvent(at, "é", EventTypes.ChargeSucceeded)
        {
            Subscription = "s", PeriodStart = new LocalDate(2026, 1, 31), Amount = 1800, Token = "sandbox_ok", Method = new MethodRef("m", 0),
        }));

        Assert.Equal(["2 events, all as expected"], comparison.Describe());
    }

    [Theory]
    [InlineData("""{"at":"2026-01-31T08:00:00Z","account":"a","type":"account.closed" """, null, "is broken JSON")]
    [InlineData("""{"at":"2026-01-31T08:00:00Z","account":"a","type":"account.close"}""", "type", "is no event")]
    [InlineData("""{"at":"2026-01-31","account":"a","type":"account.closed"}""", "at", "is no instant")]
    [InlineData("""{"at":"2026-01-31T08:00:00Z","type":"account.closed"}""", "account", "is missing")]
    [InlineData("""{"at":"2026-01-31T08:00:00Z","account":"a","type":"action.rejected"}""", "do", "is missing")]
    public async Task A_wrong_line_is_a_fault(string line, string? field, string problem)
    {
        var fault = Assert.Single((await ReadAsync([Lines[0], line], _ => { })).Listed);

        Assert.Equal(("events.jsonl", 2, field), (fault.File, fault.Line, fault.Field));
        Assert.Contains(problem, fault.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_type_has_its_fields() => Assert.Equal(
        typeof(EventTypes).GetFields().Select(f => (string)f.GetRawConstantValue()!).Order(StringComparer.Ordinal),
        ComparableEvent.FieldsOf.Keys.Order(StringComparer.Ordinal));

    private static Recipient To(int contact, string email) => new() { Contact = contact, Email = email, Name = "", Locale = "en" };

    private static async Task<EventComparison> CompareAsync(IEnumerable<string> expected, IEnumerable<string> actual)
    {
        var comparison = new EventComparison();
        Assert.True((await ReadAsync(expected, comparison.Expect)).IsEmpty);
        Assert.True((await ReadAsync(actual, comparison.Happened)).IsEmpty);
        return comparison;
    }

    private static async Task<BookFaults> ReadAsync(IEnumerable<string> lines, Action<ComparableEvent> take)
    {
        using var folder = new BookFolder();
        folder.Write("events.jsonl", string.Join('\n', lines));
        return await ExpectedEvents.ReadAsync(folder.In("events.jsonl"), take);
    }
}
