using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dunning.Events;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Rules;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>
/// An account's page as one JSON object for scripts. Instants are UTC, dates the account's own, amounts minor units. No tokens: a method is its id.
/// Fields are added, never renamed.
/// </summary>
internal static class AccountJson
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The page with at most so many events.</summary>
    public static string Write(AccountPage page, int events)
    {
        var file = page.File;
        return new JsonObject
        {
            ["account"] = file.Id,
            ["as_of"] = At(page.AsOf),
            ["simulated"] = page.IsSimulated,
            ["name"] = file.Name,
            ["country"] = file.Country,
            ["time_zone"] = file.TimeZone,
            ["currency"] = file.Currency.Code,
            ["locale"] = file.Locale,
            ["credit"] = file.Credit,
            ["legal_hold"] = file.LegalHold,
            ["exempt"] = file.Exempt,
            ["access"] = Name(file.Access),
            ["suspended_on"] = On(file.SuspendedOn),
            ["purge_on"] = On(file.PurgeOn),
            ["access_until"] = At(file.AccessUntil),
            ["closed"] = file.Closed,
            ["purged_at"] = At(file.PurgedAt),
            ["erased_at"] = At(file.ErasedAt),
            ["contacts"] = List(file.Contacts, c => new JsonObject
            {
                ["email"] = c.Email,
                ["name"] = c.Name,
                ["role"] = Name(c.Role),
                ["locale"] = c.Locale,
                ["frequency"] = Name(c.Frequency),
                ["bounced_at"] = At(c.Bounce?.At),
                ["bounce_reason"] = c.Bounce?.Reason,
            }),
            ["payment_methods"] = List(file.Methods, m => new JsonObject
            {
                ["id"] = m.Id,
                ["brand"] = m.Brand,
                ["last4"] = m.Last4,
                ["expires"] = m.Expires is { } month ? YearMonthPattern.Iso.Format(month) : null,
                ["default"] = m.IsDefault,
                ["backup"] = m.IsBackup,
                ["state"] = Name(m.State),
            }),
            ["subscriptions"] = List(page.Sheet.Subscriptions, s => new JsonObject
            {
                ["id"] = s.Id,
                ["plan"] = s.PlanCode,
                ["quantity"] = s.Quantity,
                ["state"] = s.State,
                ["renews_on"] = On(s.RenewsOn),
                ["auto_renew"] = s.AutoRenew,
                ["cancel_at_period_end"] = s.CancelAtPeriodEnd,
                ["pending_plan"] = s.PendingPlan,
            }),
            ["unpaid"] = List(file.Invoices, i => Unpaid(page, i)),
            ["settled"] = List(page.Sheet.Invoices.Where(i => i.State != "open").OrderBy(i => i.SettledAt), i => new JsonObject
            {
                ["subscription"] = i.SubscriptionId,
                ["period_start"] = On(i.PeriodStart),
                ["period_end"] = On(i.PeriodEnd),
                ["series"] = i.Series,
                ["year"] = i.Year,
                ["number"] = i.Number,
                ["amount_due"] = i.AmountDue,
                ["state"] = i.State,
                ["settled_at"] = At(i.SettledAt),
                ["refunds"] = List(page.RefundsOf(i), c => new JsonObject
                {
                    ["due"] = c.RefundDue,
                    ["amount"] = c.RefundDue ? c.Amount - c.Refunded : c.Refunded,
                    ["at"] = At(c.RefundAt),
                }),
            }),
            ["open_charges"] = List(file.Charges, c => new JsonObject
            {
                ["key"] = c.Key,
                ["reference"] = page.ReferenceOf(c),
                ["subscription"] = c.SubscriptionId,
                ["period_start"] = On(c.PeriodStart),
                ["amount"] = c.Amount.Minor,
                ["method"] = c.Method.Id,
                ["state"] = Name(c.State),
                ["stuck"] = c.Stuck,
                ["refund_due"] = c.RefundDue,
                ["first_called_at"] = At(c.FirstCalledAt),
                ["last_called_at"] = At(c.LastCalledAt),
            }),
            ["mails"] = List(page.Sheet.Mails.Where(m => m.State is "pending" or "held" or "dead"), m => new JsonObject
            {
                ["template"] = m.Template,
                ["email"] = m.Email,
                ["state"] = m.State,
                ["tries"] = m.Tries,
                ["decided_at"] = At(m.DecidedAt),
                ["next_try_at"] = At(m.NextTryAt),
                ["detail"] = m.Detail,
            }),
            ["notices"] = List(page.Sheet.Notices.Where(n => n.ClearedAt is null), n => new JsonObject
            {
                ["subscription"] = n.SubscriptionId,
                ["period_start"] = On(n.PeriodStart),
                ["kind"] = n.Kind,
                ["audience"] = n.Audience,
                ["posted_at"] = At(n.PostedAt),
            }),
            ["next"] = Ahead(page),
            ["events"] = Events(page, events),
        }.ToJsonString(Indented);
    }

    private static JsonObject Unpaid(AccountPage page, Invoice invoice)
    {
        var row = page.RowOf(invoice);
        return new JsonObject
        {
            ["subscription"] = invoice.SubscriptionId,
            ["period_start"] = On(invoice.PeriodStart),
            ["period_end"] = On(invoice.PeriodEnd),
            ["series"] = row?.Series,
            ["year"] = row?.Year,
            ["number"] = row?.Number,
            ["amount_due"] = invoice.AmountDue.Minor,
            ["issued_at"] = At(invoice.IssuedAt),
            ["attempts"] = invoice.Attempts,
            ["last_failure"] = page.LastFailure(invoice),
            ["recharge_due"] = invoice.RechargeDue,
            ["not_before"] = At(invoice.NotBefore),
            ["paused_until"] = On(invoice.PausedUntil),
            ["exempt"] = invoice.Exempt,
            ["disputed"] = invoice.Disputed,
            ["case"] = invoice.Case is not { } dunningCase ? null : new JsonObject
            {
                ["day_zero"] = On(dunningCase.DayZero),
                ["last_step"] = dunningCase.LastStep,
                ["last_step_on"] = On(dunningCase.LastStepOn),
                ["steps"] = dunningCase.Schedule.Steps.Length,
                ["exhausted"] = dunningCase.Exhausted,
                ["next_attempt_on"] = On(Forecast.NextAttemptOn(page.File, invoice)),
                ["suspends_on"] = On(Forecast.SuspendsOn(page.File, invoice)),
                ["held_since"] = At(page.HeldSince(invoice)),
            },
        };
    }

    private static JsonArray Ahead(AccountPage page)
    {
        var sentences = new ProspectSentences(page);
        return List(page.Ahead, p => new JsonObject
        {
            ["kind"] = Name(p.Kind),
            ["at"] = At(p.At),
            ["date"] = On(p.Date),
            ["waits_for"] = List(p.Obstacles, o => JsonValue.Create(Name(o))),
            ["guard"] = p.Guard == GuardKinds.None ? null : Guards.NameOf(p.Guard),
            ["held_since"] = At(page.HeldSince(p)),
            ["subscription"] = p.Subscription,
            ["period_start"] = On(p.PeriodStart),
            ["period_end"] = On(p.PeriodEnd),
            ["amount"] = p.Amount?.Minor,
            ["step"] = p.Step,
            ["template"] = p.Template,
            ["text"] = sentences.Of(p),
        });
    }

    private static JsonArray Events(AccountPage page, int count)
    {
        var sentences = new EventSentences(page.Words);
        return List(page.Events.TakeLast(count), e =>
        {
            var json = JsonNode.Parse(EventJson.Write(e with { Token = e.Method?.Id }))!.AsObject();
            json["text"] = sentences.Of(e);
            return json;
        });
    }

    private static JsonArray List<T>(IEnumerable<T> items, Func<T, JsonNode?> write) => [.. items.Select(write)];

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static string? On(LocalDate? date) => date is { } day ? LocalDatePattern.Iso.Format(day) : null;

    private static string On(DateOnly date) => LocalDatePattern.Iso.Format(new LocalDate(date.Year, date.Month, date.Day));

    private static string? At(Instant? at) => at is { } instant ? InstantPattern.ExtendedIso.Format(instant) : null;

    private static string? At(DateTime? at) => at is { } moment ? At(AccountText.InstantOf(moment)) : null;
}
