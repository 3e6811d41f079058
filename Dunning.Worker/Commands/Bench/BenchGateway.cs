using System.Globalization;
using Dunning.Model;
using Dunning.Ports;

namespace Dunning.Commands.Bench;

/// <summary>
/// A gateway that takes every charge, after a while. It stands for a machine elsewhere, so it keeps a number an account and a sum of keys: enough to
/// tell whether each account was charged once with the key that the book has, and too little to be taken for the worker's memory.
/// </summary>
internal sealed class BenchGateway(int accounts, TimeSpan latency, TimeProvider time) : IPaymentGateway
{
    private static readonly GatewayOutcome Taken = new GatewayOutcome.Succeeded();

    private readonly int[] _calls = new int[accounts];
    private long _keys;

    /// <summary>Calls of each account.</summary>
    public IReadOnlyList<int> Calls => _calls;

    /// <summary>Sum of the keys' first 32 bits.</summary>
    public long KeySum => Interlocked.Read(ref _keys);

    /// <summary>SQL for <see cref="KeySum"/> over the book's charges.</summary>
    public const string KeySumSql = "select coalesce(sum(('x' || substr(key, 5, 8))::bit(32)::bigint & 4294967295), 0)::bigint from dunning.charge";

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        Interlocked.Increment(ref _calls[BenchBook.IndexOf(request.Account)]);
        Interlocked.Add(ref _keys, uint.Parse(request.Key.AsSpan(4, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        if (latency > TimeSpan.Zero)
        {
            await Task.Delay(latency, time, ct);
        }
        return Taken;
    }

    /// <inheritdoc/>
    public Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) =>
        throw new NotSupportedException("nothing is unknown in a benchmark");

    /// <inheritdoc/>
    public Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) =>
        throw new NotSupportedException("nothing is unknown in a benchmark");

    /// <inheritdoc/>
    public Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) =>
        throw new NotSupportedException("nothing is given back in a benchmark");

    /// <inheritdoc/>
    public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) =>
        throw new NotSupportedException("nothing is purged in a benchmark");
}
