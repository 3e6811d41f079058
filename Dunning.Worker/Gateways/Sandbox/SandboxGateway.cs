using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// A payment gateway without payments: its tokens say what becomes of each call (RULES 11). It keeps its own ledger and commits a call
/// before it answers, as a real gateway would, so that lost answers, replays, look-ups and crashes of ours behave as in production.
/// </summary>
/// <remarks>
/// Like a real one it answers <see cref="GatewayOutcome.Unknown"/> when the caller stops waiting: a canceled call may have been taken.
/// </remarks>
public sealed class SandboxGateway(ISandboxLedger ledger, SandboxOptions options, TimeProvider time) : IPaymentGateway, IChargeList
{
    /// <summary>Longest idempotency key, in characters: as strict as the gateways it stands for.</summary>
    public const int MaxKeyLength = 255;

    /// <summary>Longest id of an account or a method, in characters.</summary>
    public const int MaxIdLength = 200;

    private static readonly GatewayOutcome Unknown = new GatewayOutcome.Unknown();

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        if (FaultOf(request) is { } fault)
        {
            return new GatewayOutcome.Refused(fault, RefusalScope.Request);
        }
        if (!SandboxToken.TryParse(request.Token, out var token))
        {
            // Not quoted: a live gateway's token has no business in a log.
            return new GatewayOutcome.Refused("the token is none of the sandbox's", RefusalScope.Request);
        }
        var order = new SandboxOrder(request.Key, request.Account, request.Method, request.Amount, token, request.Authenticated);
        return await AnswerAsync(() => ledger.ChargeAsync(order, ct), Unknown, ct);
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) =>
        IsText(request.Key, MaxKeyLength) ? await AnswerAsync(() => ledger.FindAsync(request.Key, ct), Unknown, ct) : null;

    /// <inheritdoc/>
    public async Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) =>
        // What is no request of ours was refused when it came, and is refused whenever it comes.
        FaultOf(request) is not null ? new GatewayOutcome.NeverMade()
            : await AnswerAsync(() => ledger.FenceAsync(new SandboxFence(request.Key, request.Account, request.Method), ct), Unknown, ct)
                ?? new GatewayOutcome.NeverMade();

    /// <inheritdoc/>
    public async Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct)
    {
        if (FaultOf(charge) is not null || !IsText(refundKey, MaxKeyLength))
        {
            return false;
        }
        var refund = new SandboxRefund(refundKey, charge.Key, charge.Account, charge.Amount);
        return await AnswerAsync(() => ledger.RefundAsync(refund, ct), false, ct);
    }

    /// <inheritdoc/>
    public async Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct)
    {
        if (!IsText(account, MaxIdLength) || !IsText(method.Id, MaxIdLength))
        {
            return false;
        }
        return await AnswerAsync(DetachAsync, false, ct);

        async Task<bool> DetachAsync()
        {
            await ledger.DetachAsync(account, method.Ref, ct);
            return true;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ListedCharge> ListAsync(Instant from, Instant to, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var call in ledger.CallsAsync(ct))
        {
            yield return new ListedCharge(call.Key, call.Key, call.Account, null, null, call.Amount, call.Outcome, null, IsOurs: true);
        }
    }

    // The latency comes after the ledger has committed: an answer that is on its way is the dangerous moment that it exists to make long.
    private async Task<T> AnswerAsync<T>(Func<Task<T>> ask, T noAnswer, CancellationToken ct)
    {
        try
        {
            var answer = await ask().WaitAsync(ct);
            if (options.Latency > TimeSpan.Zero)
            {
                await Task.Delay(options.Latency, time, ct);
            }
            return answer;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return noAnswer;
        }
        catch (SandboxUnavailableException)
        {
            // Logged where it happened, once for all the calls that it struck.
            return noAnswer;
        }
    }

    private static string? FaultOf(ChargeRequest request) =>
        !IsText(request.Key, MaxKeyLength) ? "the idempotency key is empty, too long or no text"
            : !IsText(request.Account, MaxIdLength) ? "the account's id is empty, too long or no text"
            : !IsText(request.Method.Id, MaxIdLength) ? "the method's id is empty, too long or no text"
            : request.Method.Generation < 0 ? "the method's generation is negative"
            : request.Amount.Minor <= 0 ? "the amount is not above zero"
            : null;

    // A NUL or half a surrogate pair can't be stored, and would fail the whole group of calls that it is committed with.
    private static bool IsText(string text, int maxLength)
    {
        if (text.Length == 0 || text.Length > maxLength)
        {
            return false;
        }
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            if (rest[0] == '\0' || Rune.DecodeFromUtf16(rest, out _, out var consumed) != OperationStatus.Done)
            {
                return false;
            }
            rest = rest[consumed..];
        }
        return true;
    }
}
