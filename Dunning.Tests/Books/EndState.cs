using Dapper;
using Dunning.Events;
using Dunning.Model;
using Dunning.Simulation;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Tests.Books;

/// <summary>
/// How a run ended, as sorted lines that two runs can be compared by: invoices with their amounts and states, credit and access of accounts,
/// subscriptions, and how many mails of each template each contact got.
/// </summary>
internal static class EndState
{
    public static string[] Of(MemoryBook book, IReadOnlyList<BookEvent> events)
    {
        var lines = new List<string>();
        foreach (var i in book.Invoices)
        {
            lines.Add(Invoice(i.SubscriptionId, Iso(i.PeriodStart), Iso(i.PeriodEnd), i.Subtotal.Minor, i.Tax.Minor, i.CreditApplied.Minor, i.AmountDue.Minor,
                i.State == InvoiceState.WrittenOff ? "written_off" : i.State.ToString().ToLowerInvariant(), i.Case?.LastStep, i.Case?.Exhausted));
        }
        foreach (var a in book.Accounts)
        {
            lines.Add($"account {a.Id} {a.Access.ToString().ToLowerInvariant()} credit {a.Credit} closed {a.Closed} purged {a.PurgedAt is not null} erased {a.ErasedAt is not null} " +
                $"suspended {Iso(a.SuspendedOn)} purge {Iso(a.PurgeOn)}");
            lines.AddRange(a.Subscriptions.Where(s => s.IsLive).Select(s => $"subscription {s.Id} live {s.PlanCode} {s.Quantity} renews {Iso(s.RenewsOn)}"));
        }
        foreach (var e in events)
        {
            if (e.Type is EventTypes.SubscriptionCanceled or EventTypes.SubscriptionExpired)
            {
                lines.Add($"subscription {e.Subscription} {(e.Type == EventTypes.SubscriptionExpired ? "expired" : "canceled")}");
            }
        }
        lines.AddRange(Mails(events.Where(e => e.Type == EventTypes.EmailSent).SelectMany(e => e.To!.Value.Select(r => (e.Account, e.Template!, r.Contact)))));
        lines.Sort(StringComparer.Ordinal);
        return [.. lines];
    }

    public static async Task<string[]> OfAsync(NpgsqlDataSource source)
    {
        await using var connection = await source.OpenConnectionAsync();
        var lines = new List<string>();
        foreach (var i in await connection.QueryAsync<InvoiceRow>(
            """
            select subscription_id, period_start::text as period_start, period_end::text as period_end, subtotal, tax, credit_applied, amount_due,
                   state, case_last_step, case_exhausted
            from dunning.invoice join dunning.receivable using (subscription_id, period_start)
            """))
        {
            lines.Add(Invoice(i.SubscriptionId, i.PeriodStart, i.PeriodEnd, i.Subtotal, i.Tax, i.CreditApplied, i.AmountDue, i.State, i.CaseLastStep, i.CaseExhausted));
        }
        lines.AddRange(await connection.QueryAsync<string>(
            """
            select format('account %s %s credit %s closed %s purged %s erased %s suspended %s purge %s', id, access, credit,
                initcap(closed::text), initcap((purged_at is not null)::text), initcap((erased_at is not null)::text), suspended_on, purge_on)
            from dunning.account
            union all
            select case when state = 'live' then format('subscription %s live %s %s renews %s', id, plan_code, quantity, renews_on)
                else format('subscription %s %s', id, state) end
            from dunning.subscription
            """));
        lines.AddRange(Mails(await connection.QueryAsync<(string, string, int)>(
            "select account_id, template, contact from dunning.outbox where state = 'accepted'")));
        lines.Sort(StringComparer.Ordinal);
        return [.. lines];
    }

    /// <summary>What one run has and the other has not; empty when they agree.</summary>
    public static string Difference(string[] expected, string[] actual)
    {
        var open = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var line in expected)
        {
            open[line] = open.GetValueOrDefault(line) + 1;
        }
        foreach (var line in actual)
        {
            open[line] = open.GetValueOrDefault(line) - 1;
        }
        return string.Join('\n', open.Where(o => o.Value != 0).Select(o => (o.Value > 0 ? "- " : "+ ") + o.Key).Take(60));
    }

    private static IEnumerable<string> Mails(IEnumerable<(string Account, string Template, int Contact)> sent) =>
        sent.CountBy(m => m).Select(m => $"mail {m.Key.Account} {m.Key.Template} {m.Key.Contact} x{m.Value}");

    private static string Invoice(
        string subscription, string from, string to, long subtotal, long tax, long credit, long due, string state, int? step, bool? exhausted) =>
        $"invoice {subscription} {from} {to} {subtotal}+{tax}-{credit}={due} {state} case {step} {exhausted}";

    private static string Iso(NodaTime.LocalDate? date) => date is { } d ? LocalDatePattern.Iso.Format(d) : "";

    private sealed record InvoiceRow(
        string SubscriptionId, string PeriodStart, string PeriodEnd, long Subtotal, long Tax, long CreditApplied, long AmountDue, string State,
        int? CaseLastStep, bool? CaseExhausted);
}
