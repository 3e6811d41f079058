using Dunning.Mail;
using Dunning.Postgres;
using Dunning.Time;
using NodaTime;
using Npgsql;

namespace Dunning.Documents.EInvoices;

/// <summary>What a run did.</summary>
/// <param name="HandedIn">Documents that the platform has now.</param>
/// <param name="Inexpressible">Documents that have no form in EN 16931: the platform will not get them.</param>
/// <param name="Faults">Why documents could not be handed in; they are tried again.</param>
public sealed record EInvoicingReport(int HandedIn, IReadOnlyList<string> Inexpressible, IReadOnlyList<string> Faults);

/// <summary>
/// Hands invoices and credit notes in to an e-invoicing platform, each as soon as it is final and until it is there. What has to be handed in stands in
/// the database, so a late, doubled or lost run harms nothing, and servers share the work.
/// </summary>
public sealed class EInvoicing(NpgsqlDataSource source, IEInvoicingPlatform platform, LocalDate since, PostgresDocuments documents, TimeProvider time)
{
    private const int ListBatch = 1000;
    private const int ClaimBatch = 50;

    private readonly EInvoiceQueue _queue = new(source);

    /// <summary>Hands in all whose turn has come. A run that gets nothing through ends early: the rest is the next one's.</summary>
    public async Task<EInvoicingReport> RunAsync(CancellationToken ct)
    {
        var (handedIn, inexpressible, faults) = (0, new List<string>(), new List<string>());
        while (await _queue.ListAsync(since, Now(), ListBatch, ct))
        {
        }
        while (await _queue.ClaimAsync(Now(), ClaimBatch, ct) is { Count: > 0 } turns)
        {
            var before = handedIn + inexpressible.Count;
            foreach (var turn in turns)
            {
                ct.ThrowIfCancellationRequested();
                var number = DocumentNumber.Of(turn.Series, turn.Year, turn.Number);
                try
                {
                    var fault = await HandInAsync(turn, number, ct);
                    await _queue.SettleAsync(turn, Now(), fault, ct);
                    if (fault is null)
                    {
                        handedIn++;
                    }
                    else
                    {
                        inexpressible.Add($"{number}: {fault}");
                    }
                }
                catch (Exception e) when (e is not (OperationCanceledException or NpgsqlException))
                {
                    await _queue.PutOffAsync(turn, Now() + Backoff.After(turn.Tries), e.Message, ct);
                    faults.Add($"{number}: {e.Message}");
                }
            }
            if (handedIn + inexpressible.Count == before)
            {
                break;
            }
        }
        return new EInvoicingReport(handedIn, inexpressible, faults);
    }

    // Null, or why it has no form.
    private async Task<string?> HandInAsync(EInvoiceTurn turn, string number, CancellationToken ct)
    {
        var (kind, start) = (Texts.Document[turn.Kind], turn.PeriodStart.Local());
        var (facts, words) = await documents.FactsAsync(turn.SubscriptionId, start, turn.Locale, ct);
        if (EInvoiceFacts.FaultOf(kind, facts) is { } fault)
        {
            return fault;
        }
        var xml = platform.Format == EInvoiceFormat.Ubl ? UblWriter.Write(kind, facts, words) : CiiWriter.Write(kind, facts, words);
        var pdf = await documents.FindAsync(turn.SubscriptionId, start, kind, turn.Locale, ct);
        await platform.HandInAsync(new EInvoice(number, kind, pdf!.Content, xml!), ct);
        return null;
    }

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());
}
