using System.Collections.Frozen;
using System.Text;
using Dunning.Events;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Books;

/// <summary>
/// An event as RULES 10 compares it: its instant, its account, and one text of its type and the fields of that type. Other fields are
/// left out.
/// </summary>
/// <param name="At">The pass's instant.</param>
/// <param name="Account">The account's id.</param>
/// <param name="Text">Such as <c>email.sent template="receipt" to=["a@b.example"]</c>.</param>
public sealed record ComparableEvent(Instant At, string Account, string Text)
{
    private static readonly string[] Charge = ["subscription", "period_start", "amount", "method"];
    private static readonly string[] Invoice = ["subscription", "period_start"];
    private static readonly string[] Step = ["subscription", "period_start", "step"];

    internal static FrozenDictionary<string, string[]> FieldsOf { get; } = new Dictionary<string, string[]>
    {
        [EventTypes.InvoiceIssued] =
            ["subscription", "period_start", "period_end", "subtotal", "tax", "credit_applied", "amount_due", "currency"],
        [EventTypes.InvoicePaid] = Invoice,
        [EventTypes.InvoiceVoided] = Invoice,
        [EventTypes.InvoiceWrittenOff] = Invoice,
        [EventTypes.ChargeSucceeded] = Charge,
        [EventTypes.ChargeUnknown] = Charge,
        [EventTypes.ChargePending] = Charge,
        [EventTypes.ChargeAbandoned] = Charge,
        [EventTypes.ChargeStuck] = Charge,
        [EventTypes.ChargeDuplicate] = Charge,
        [EventTypes.CreditApplied] = ["subscription", "period_start", "amount"],
        [EventTypes.ChargeFailed] = [.. Charge, "code"],
        [EventTypes.ChargeSkipped] = ["subscription", "period_start", "reason"],
        [EventTypes.DunningOpened] = Step,
        [EventTypes.DunningStep] = Step,
        [EventTypes.DunningRecovered] = Step,
        [EventTypes.DunningExhausted] = Invoice,
        [EventTypes.DunningStopped] = Invoice,
        [EventTypes.NoticeCleared] = Invoice,
        [EventTypes.NoticePosted] = ["subscription", "period_start", "kind", "audience"],
        [EventTypes.SubscriptionRenewed] = ["subscription", "period_start", "period_end"],
        [EventTypes.SubscriptionPlanChanged] = ["subscription", "plan"],
        [EventTypes.SubscriptionCancelScheduled] = ["subscription", "ends_on"],
        [EventTypes.SubscriptionCanceled] = ["subscription"],
        [EventTypes.SubscriptionExpired] = ["subscription"],
        [EventTypes.SubscriptionResumed] = ["subscription"],
        [EventTypes.AccountSuspended] = ["purge_on"],
        [EventTypes.AccountPurgePostponed] = ["purge_on"],
        [EventTypes.AccountAccessGranted] = ["until"],
        [EventTypes.AccountAccessEnded] = [],
        [EventTypes.AccountReactivated] = [],
        [EventTypes.AccountClosed] = [],
        [EventTypes.AccountErased] = [],
        [EventTypes.AccountPurged] = [],
        [EventTypes.AccountUnreachable] = [],
        [EventTypes.ContactBouncing] = ["reason", "to"],
        [EventTypes.ContactReachable] = ["to"],
        [EventTypes.EmailSent] = ["template", "to"],
        [EventTypes.EmailDropped] = ["template", "to"],
        [EventTypes.PaymentDisputed] = [.. Charge, "reason"],
        [EventTypes.PaymentDisputeClosed] = [.. Charge, "reason"],
        [EventTypes.PaymentReceived] = ["subscription", "period_start", "amount", "reason"],
        [EventTypes.PaymentRefunded] = Charge,
        [EventTypes.PaymentReversed] = [.. Charge, "code"],
        [EventTypes.PaymentUnexpected] = ["subscription", "period_start", "amount", "reason"],
        [EventTypes.PaymentMethodGone] = ["method"],
        [EventTypes.PaymentMethodReplaced] = ["method"],
        [EventTypes.ActionRejected] = ["do"],
        [EventTypes.OperatorActed] = ["do", "by"],
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>An event that happened.</summary>
    public static ComparableEvent Of(BookEvent e)
    {
        // By way of its JSON: so what is compared is what a file of events would hold.
        var json = Encoding.UTF8.GetBytes(EventJson.Write(e));
        var value = JsonValue.Parse(json, out var problem, out _) ?? throw new InvalidOperationException($"an event {problem}");
        return new ComparableEvent(e.At, e.Account, TextOf(e.Type, value, FieldsOf.GetValueOrDefault(e.Type)));
    }

    /// <summary>
    /// The comparable text of an event in JSON. A type that RULES 10 does not have is compared with all of its fields.
    /// </summary>
    internal static string TextOf(string type, JsonValue json, string[]? fields)
    {
        fields ??= [.. json.Members.Select(m => m.Name).Where(n => n is not ("at" or "account" or "type")).Order(StringComparer.Ordinal)];
        var text = new StringBuilder(type);
        foreach (var field in fields)
        {
            var value = json.Members.FirstOrDefault(m => m.Name == field).Value;
            if (value is null)
            {
                continue;
            }
            text.Append(' ').Append(field).Append('=');
            if (value.Kind == JsonKind.Array)
            {
                text.Append('[').AppendJoin(", ", value.Items.Select(Plain).Order(StringComparer.Ordinal)).Append(']');
            }
            else
            {
                text.Append(Plain(value));
            }
        }
        return text.ToString();
    }

    // Quoted and escaped, so that no text can look like two fields.
    private static string Plain(JsonValue value) => value.Kind == JsonKind.Text
        ? '"' + value.Text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + '"'
        : Given.Value(value);

    /// <inheritdoc/>
    public override string ToString() => $"{InstantPattern.General.Format(At)} {Account} {Text}";
}
