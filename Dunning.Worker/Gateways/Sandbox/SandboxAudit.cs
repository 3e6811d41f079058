namespace Dunning.Gateways.Sandbox;

/// <summary>What an auditor asks a ledger. Keys are opaque to the sandbox, so that it knows accounts but not subscriptions.</summary>
public static class SandboxAudit
{
    /// <summary>How many successes each account has had, refunded ones included.</summary>
    public static async Task<IReadOnlyDictionary<string, int>> SuccessesByAccountAsync(this ISandboxLedger ledger, CancellationToken ct)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        await foreach (var call in ledger.CallsAsync(ct))
        {
            if (call.IsSuccess)
            {
                counts[call.Account] = counts.GetValueOrDefault(call.Account) + 1;
            }
        }
        return counts;
    }
}
