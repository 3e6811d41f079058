using System.Collections.Frozen;
using Dunning.Documents;
using Dunning.Model;
using Dunning.Passes;

namespace Dunning.Postgres;

/// <summary>
/// Enums as the database holds them. The texts are stored and stand in checks: they never change, a test freezes them.
/// </summary>
internal static class Texts
{
    public static readonly TextOf<Access> Access = new(
        (Model.Access.Active, "active"), (Model.Access.Suspended, "suspended"), (Model.Access.Limited, "limited"));

    public static readonly TextOf<ContactRole> Role = new(
        (ContactRole.Owner, "owner"), (ContactRole.Billing, "billing"), (ContactRole.Admin, "admin"));

    public static readonly TextOf<MailFrequency> Frequency = new(
        (MailFrequency.AtOnce, "at_once"), (MailFrequency.Daily, "daily"), (MailFrequency.Weekly, "weekly"));

    public static readonly TextOf<MethodState> Method = new(
        (MethodState.Ok, "ok"), (MethodState.Blocked, "blocked"), (MethodState.Waiting, "waiting"));

    public static readonly TextOf<SubscriptionState> Subscription = new(
        (SubscriptionState.Live, "live"), (SubscriptionState.Canceled, "canceled"), (SubscriptionState.Expired, "expired"));

    public static readonly TextOf<IntervalUnit> Unit = new(
        (IntervalUnit.Day, "day"), (IntervalUnit.Week, "week"), (IntervalUnit.Month, "month"), (IntervalUnit.Year, "year"));

    public static readonly TextOf<InvoiceState> Invoice = new(
        (InvoiceState.Open, "open"), (InvoiceState.Paid, "paid"), (InvoiceState.Voided, "voided"), (InvoiceState.WrittenOff, "written_off"));

    public static readonly TextOf<TaxTreatment> Tax = new(
        (TaxTreatment.Domestic, "domestic"), (TaxTreatment.EuConsumer, "eu_consumer"),
        (TaxTreatment.ReverseCharge, "reverse_charge"), (TaxTreatment.Export, "export"));

    public static readonly TextOf<AttemptKind> Attempt = new(
        (AttemptKind.First, "first"), (AttemptKind.Step, "step"), (AttemptKind.Recharge, "recharge"));

    public static readonly TextOf<ChargeState> Charge = new(
        (ChargeState.InFlight, "in_flight"), (ChargeState.Unknown, "unknown"), (ChargeState.Pending, "pending"), (ChargeState.Succeeded, "succeeded"),
        (ChargeState.Failed, "failed"), (ChargeState.Abandoned, "abandoned"), (ChargeState.Refused, "refused"), (ChargeState.Reversed, "reversed"));

    public static readonly TextOf<ChargeResolution> Resolution = new(
        (ChargeResolution.None, "none"), (ChargeResolution.NeverMade, "never_made"), (ChargeResolution.Failed, "failed"));

    public static readonly TextOf<DeliveryState> Delivery = new(
        (DeliveryState.Pending, "pending"), (DeliveryState.Accepted, "accepted"), (DeliveryState.Dead, "dead"), (DeliveryState.Dropped, "dropped"),
        (DeliveryState.Held, "held"), (DeliveryState.Digested, "digested"));

    public static readonly TextOf<DocumentKind> Document = new(
        (DocumentKind.Invoice, "invoice"), (DocumentKind.Receipt, "receipt"), (DocumentKind.CreditNote, "credit_note"));

    public static readonly TextOf<PassKind> Pass = new(
        (PassKind.Reconcile, "reconcile"), (PassKind.Renew, "renew"), (PassKind.Dun, "dun"), (PassKind.EndAccess, "end_access"),
        (PassKind.Purge, "purge"), (PassKind.Remind, "remind"), (PassKind.Mail, "mail"));

    public static readonly TextOf<GuardKinds> Guard = new(
        (GuardKinds.Suspensions, "suspensions"), (GuardKinds.Purges, "purges"), (GuardKinds.Mails, "mails"));
}

/// <summary>Both directions between an enum and its stored texts; an unknown one throws.</summary>
internal sealed class TextOf<T>
    where T : struct, Enum
{
    private readonly FrozenDictionary<T, string> _texts;
    private readonly FrozenDictionary<string, T> _values;

    public TextOf(params (T Value, string Text)[] pairs)
    {
        _texts = pairs.ToFrozenDictionary(p => p.Value, p => p.Text);
        _values = pairs.ToFrozenDictionary(p => p.Text, p => p.Value, StringComparer.Ordinal);
        Values = [.. pairs.Select(p => p.Value)];
    }

    public IReadOnlyList<T> Values { get; }

    public string this[T value] => _texts.TryGetValue(value, out var text) ? text
        : throw new ArgumentOutOfRangeException(nameof(value), value, $"no text for this {typeof(T).Name}");

    public T this[string text] => _values.TryGetValue(text, out var value) ? value
        : throw new FormatException($"'{text}' is no {typeof(T).Name}");
}
