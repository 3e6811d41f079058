using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Gateways.Outages;

/// <summary>A book that, while the gateway is out, gives no account for which the gateway might be asked: nothing is decided that can't be done.</summary>
internal sealed class GuardedBook(PostgresBook book, OutageGuard guard) : IBook
{
    public async Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct) =>
        await guard.ReadAsync(ct) is null ? await book.ClaimAsync(pass, now, limit, decide, ct) : await book.ClaimQuietAsync(pass, now, limit, decide, ct);

    public Task<Instant?> NextDueAsync(CancellationToken ct) => book.NextDueAsync(ct);

    public Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct) => book.AnswerAsync(answers, ct);
}

/// <summary>A book that gives one account: with it the gateway is tried.</summary>
internal sealed class TrialBook(PostgresBook book) : IBook
{
    private bool _isTaken;

    public async Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct)
    {
        if (_isTaken)
        {
            return BatchResult.Empty;
        }
        _isTaken = true;
        return await book.ClaimAsync(pass, now, 1, decide, ct);
    }

    public Task<Instant?> NextDueAsync(CancellationToken ct) => book.NextDueAsync(ct);

    public Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct) => book.AnswerAsync(answers, ct);
}
