using System.Runtime.CompilerServices;
using Dunning.Model;
using Dunning.Ports;

namespace Dunning.Gateways.Sandbox;

/// <summary>A ledger that ends with its process: for simulations and for tests without a database. Safe for concurrent use.</summary>
public sealed class MemoryLedger : ISandboxLedger
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, SandboxCall> _calls = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _chargeOfRefund = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Account, MethodRef Method), long> _counts = [];
    private readonly HashSet<(string Account, MethodRef Method)> _detached = [];
    private readonly HashSet<string> _fenced = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public Task<GatewayOutcome> ChargeAsync(SandboxOrder order, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var method = (order.Account, order.Method);
        lock (_lock)
        {
            var before = _counts.GetValueOrDefault(method);
            var ruling = SandboxRules.Decide(order, _calls.GetValueOrDefault(order.Key), before, _detached.Contains(method), _fenced.Contains(order.Key));
            if (ruling.Counts)
            {
                _counts[method] = before + 1;
            }
            if (ruling.Recorded is not null)
            {
                _calls.Add(order.Key, ruling.Recorded);
            }
            return Task.FromResult(ruling.Answer);
        }
    }

    /// <inheritdoc/>
    public Task<GatewayOutcome?> FindAsync(string key, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        lock (_lock)
        {
            return Task.FromResult(_calls.GetValueOrDefault(key)?.Outcome);
        }
    }

    /// <inheritdoc/>
    public Task<GatewayOutcome?> FenceAsync(SandboxFence fence, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        lock (_lock)
        {
            var outcome = _calls.GetValueOrDefault(fence.Key)?.Outcome;
            if (outcome is null)
            {
                _fenced.Add(fence.Key);
            }
            return Task.FromResult(outcome);
        }
    }

    /// <inheritdoc/>
    public Task<bool> RefundAsync(SandboxRefund refund, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (!_calls.TryGetValue(refund.ChargeKey, out var call) || !call.IsSuccess
                || call.Account != refund.Account || call.Amount != refund.Amount)
            {
                return Task.FromResult(false);
            }
            if (call.RefundKey is null && _chargeOfRefund.TryAdd(refund.Key, refund.ChargeKey))
            {
                _calls[refund.ChargeKey] = call = call with { RefundKey = refund.Key };
            }
            return Task.FromResult(call.RefundKey is not null);
        }
    }

    /// <inheritdoc/>
    public Task DetachAsync(string account, MethodRef method, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        lock (_lock)
        {
            _detached.Add((account, method));
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<SandboxCall> CallsAsync([EnumeratorCancellation] CancellationToken ct)
    {
        SandboxCall[] all;
        lock (_lock)
        {
            all = [.. _calls.Values.OrderBy(call => call.Key, StringComparer.Ordinal)];
        }
        foreach (var call in all)
        {
            ct.ThrowIfCancellationRequested();
            yield return call;
        }
        await Task.CompletedTask;
    }
}
