using System.Collections.Immutable;
using System.Globalization;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Books;

/// <summary>Events of one account at one instant that only one side has.</summary>
/// <param name="At">The instant.</param>
/// <param name="Account">The account.</param>
/// <param name="Missing">Expected, and did not happen.</param>
/// <param name="Unexpected">Happened, and was not expected.</param>
public sealed record EventDifference(Instant At, string Account, ImmutableArray<string> Missing, ImmutableArray<string> Unexpected);

/// <summary>
/// Compares two runs as RULES 10 says: for every instant and account the same events, counted; their order there does not matter.
/// Both sides are added in any order and are forgotten as they meet, so that only the differences take memory.
/// </summary>
public sealed class EventComparison
{
    // Expected less actual; what is even is taken out.
    private readonly Dictionary<ComparableEvent, int> _open = [];

    /// <summary>Number of expected events.</summary>
    public long ExpectedCount { get; private set; }

    /// <summary>Number of events that happened.</summary>
    public long ActualCount { get; private set; }

    /// <summary>Number of events expected that did not happen.</summary>
    public long MissingCount => _open.Values.Where(n => n > 0).Sum(n => (long)n);

    /// <summary>Number of events that happened and were not expected.</summary>
    public long UnexpectedCount => _open.Values.Where(n => n < 0).Sum(n => -(long)n);

    /// <summary>Whether the runs agree.</summary>
    public bool Agrees => _open.Count == 0;

    /// <summary>Takes an expected event.</summary>
    public void Expect(ComparableEvent e)
    {
        ExpectedCount++;
        Count(e, 1);
    }

    /// <summary>Takes an event that happened.</summary>
    public void Happened(ComparableEvent e)
    {
        ActualCount++;
        Count(e, -1);
    }

    /// <summary>All differences, by instant, then account.</summary>
    public IEnumerable<EventDifference> Differences() => _open
        .GroupBy(o => (o.Key.At, o.Key.Account))
        .OrderBy(g => g.Key.At).ThenBy(g => g.Key.Account, StringComparer.Ordinal)
        .Select(g => new EventDifference(g.Key.At, g.Key.Account, Texts(g, 1), Texts(g, -1)));

    /// <summary>
    /// The first difference of each account: what comes after it in the same account is most often only its consequence.
    /// </summary>
    public IEnumerable<EventDifference> FirstOfEachAccount() => Differences().DistinctBy(d => d.Account, StringComparer.Ordinal);

    /// <summary>A readable report: the counts, then the first differences.</summary>
    /// <param name="maxAccounts">How many accounts are shown.</param>
    public IEnumerable<string> Describe(int maxAccounts = 20)
    {
        if (Agrees)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{ActualCount} events, all as expected");
            yield break;
        }
        var firsts = FirstOfEachAccount().ToList();
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{ExpectedCount} events expected, {ActualCount} happened: {MissingCount} missing and {UnexpectedCount} unexpected") +
            string.Create(CultureInfo.InvariantCulture, $", in {firsts.Count} accounts");
        foreach (var difference in firsts.Take(maxAccounts))
        {
            yield return $"{InstantPattern.General.Format(difference.At)} {difference.Account}";
            foreach (var text in difference.Missing)
            {
                yield return "  missing     " + text;
            }
            foreach (var text in difference.Unexpected)
            {
                yield return "  unexpected  " + text;
            }
        }
        if (firsts.Count > maxAccounts)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"and {firsts.Count - maxAccounts} more accounts");
        }
    }

    private static ImmutableArray<string> Texts(IEnumerable<KeyValuePair<ComparableEvent, int>> group, int sign) =>
    [
        .. group.Where(o => Math.Sign(o.Value) == sign).SelectMany(o => Enumerable.Repeat(o.Key.Text, Math.Abs(o.Value)))
            .Order(StringComparer.Ordinal),
    ];

    private void Count(ComparableEvent e, int by)
    {
        var count = _open.GetValueOrDefault(e) + by;
        if (count == 0)
        {
            _open.Remove(e);
        }
        else
        {
            _open[e] = count;
        }
    }
}
