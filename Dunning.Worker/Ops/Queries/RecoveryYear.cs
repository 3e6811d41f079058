using NodaTime;

namespace Dunning.Ops.Queries;

/// <summary>What became of a year's cases, as of an instant.</summary>
internal sealed record RecoveryOfYear(Instant AsOf, LocalDate Monday, IReadOnlyList<CaseCountRow> Cases);

/// <summary>
/// A year's cases, counted at most every five minutes and never while somebody waits for a page: it reads each case of the year, and rates over months do not
/// change from one minute to the next. Each server counts for itself; nothing is stored, so nothing can go stale or be restored wrongly.
/// </summary>
internal sealed class RecoveryYear(OverviewQueries queries, Func<Instant> now, ILogger logger)
{
    private static readonly Duration s_age = Duration.FromMinutes(5);

    // What an operator does not notice. A small book is counted within it, so that its figures are of this moment.
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private RecoveryOfYear? _last;
    private Task<RecoveryOfYear?>? _counting;

    /// <summary>The last count; null: the first is still under way.</summary>
    public async Task<RecoveryOfYear?> GetAsync()
    {
        var counting = Begin();
        return await Task.WhenAny(counting, Task.Delay(s_patience, TimeProvider.System)) == counting ? await counting ?? _last : _last;
    }

    private Task<RecoveryOfYear?> Begin()
    {
        lock (_lock)
        {
            if (_last is { } last && now() - last.AsOf < s_age && now() >= last.AsOf)
            {
                return Task.FromResult<RecoveryOfYear?>(last);
            }
            return _counting is { IsCompleted: false } ? _counting : _counting = Task.Run(CountAsync);
        }
    }

    private async Task<RecoveryOfYear?> CountAsync()
    {
        try
        {
            var at = now();
            var monday = at.InUtc().Date.With(DateAdjusters.PreviousOrSame(IsoDayOfWeek.Monday));
            // Not the request's token: who goes away does not take the count from the next.
            return _last = new RecoveryOfYear(at, monday, await queries.CasesAsync(monday.PlusWeeks(-52).AtMidnight().InUtc().ToInstant(), CancellationToken.None));
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException or ObjectDisposedException)
        {
            // The page itself will say that the database does not answer; the next request counts anew.
            logger.LogWarning(e, "the year's cases could not be counted");
            return null;
        }
    }
}
