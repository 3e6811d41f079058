using System.Globalization;
using Dunning.Commands;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Ops.Pages;

/// <summary>Says what happened to an account and what lies ahead, in the reader's language, by its own dates and amounts.</summary>
internal sealed class OpsSentences(Show show, AccountPage page)
{
    private static readonly LocalDateTimePattern s_minute = LocalDateTimePattern.CreateWithInvariantCulture("uuuu-MM-dd HH:mm");

    /// <summary>An event as a sentence; one that this program does not know is its bare name.</summary>
    public string Of(BookEvent e) => show.Words.Find("event." + e.Type) is null ? e.Type : show.Words["event." + e.Type,
        ("amount", Amount(e.Amount ?? e.AmountDue)), ("details", Details(e)), ("split", Split(e)), ("cause", Cause(e)), ("method", e.Method is { } method ? page.Words.Method(method) : "–"), ("start", Day(e.PeriodStart)), ("end", Day(e.PeriodEnd)), ("last", Day(e.PeriodEnd?.PlusDays(-1))),
        ("code", Code(e.Code)), ("reason", e.By is null ? Reason(e.Reason) : e.Reason ?? "–"), ("step", e.Step is { } step ? show.Count(step) : "–"), ("plan", e.Plan is { } plan ? page.Words.Plan(plan) : "–"),
        ("on", Day(e.EndsOn ?? e.PurgeOn)), ("until", e.Until is { } until ? When(until) : "–"), ("subscription", e.Subscription ?? "–"),
        ("mail", show.Name("template", e.Template ?? e.Kind ?? "")), ("audience", show.Name("audience", e.Audience ?? "")), ("to", To(e)), ("act", show.Name("act.name", e.Do ?? "")), ("by", e.By ?? "–")];

    /// <summary>What lies ahead as a sentence, with what stands in its way.</summary>
    public string Of(Prospect p)
    {
        var said = show.Words["ahead." + Key(p.Kind.ToString()),
            ("amount", p.Amount is { } amount ? show.Amount(amount.Minor, amount.Currency.Code) : "–"), ("subscription", p.Subscription ?? "–"), ("start", Day(p.PeriodStart)),
            ("step", p.Step is { } step ? show.Count(step) : "–"), ("date", Day(p.Date)), ("mail", show.Name("template", p.Template ?? "")),
            ("does", p.StepDoes is not { } does ? "–" : does.Suspend ? show.Words["ahead.suspends"] : show.Name("template", does.Email))];
        return p.Obstacles.IsEmpty ? said : show.Words["ahead.waits", ("what", said), ("why", string.Join(", ", p.Obstacles.Select(o => page.HeldSince(p) is { } since
            ? show.Words["guard.holds", ("kind", show.Words["guard." + Guards.NameOf(p.Guard)]), ("since", When(since))] : show.Words["obstacle." + Key(o.ToString())])))];
    }

    /// <summary>How far a refund is.</summary>
    public string Of(ChargeView refund)
    {
        var at = refund.RefundAt is { } known ? When(Instant.FromDateTimeUtc(DateTime.SpecifyKind(known, DateTimeKind.Utc))) : null;
        return refund.RefundDue ? show.Words["refund.due", ("amount", Amount(refund.Amount - refund.Refunded)), ("since", at ?? "–")]
            : at is null ? show.Words["refund.done", ("amount", Amount(refund.Refunded))] : show.Words["refund.done.at", ("amount", Amount(refund.Refunded)), ("at", at)];
    }

    /// <summary>An instant in the account's zone.</summary>
    public string When(Instant at) => s_minute.Format(at.InZone(page.Words.Zone).LocalDateTime);

    /// <summary>A day.</summary>
    public static string Day(LocalDate? day) => day is { } some ? LocalDatePattern.Iso.Format(some) : "–";

    /// <summary>An amount in the account's currency.</summary>
    public string Amount(long? minor) => show.Amount(minor ?? 0, page.File.Currency.Code);

    // What an operator's act says beside who, what and why.
    private string Details(BookEvent e)
    {
        if (e.Type is not (EventTypes.OperatorActed or EventTypes.ActionRejected))
        {
            return "";
        }
        var w = show.Words;
        string?[] all =
        [
            .. show.Details(
                e.Amount is { } amount ? Amount(amount) : null, e.EndsOn is { } until ? Day(until) : null, e.Days, e.Type == EventTypes.OperatorActed ? e.Code : null),
            e is { PeriodStart: { } start, Subscription: { } subscription } ? w["detail.invoice", ("invoice", page.NumberOf(subscription, start) ?? subscription), ("date", Day(start))] : null,
        ];
        var said = string.Join(", ", all.OfType<string>());
        return said.Length == 0 ? "" : $" ({said})";
    }

    private string Cause(BookEvent e) => e is { Type: EventTypes.ActionRejected, Code: { } code } && show.Words.Find("cause." + code) is { } cause ? cause : show.Words["cause.other"];

    private string Split(BookEvent e)
    {
        var w = show.Words;
        string?[] all =
        [
            w["split.tax", ("subtotal", Amount(e.Subtotal)), ("tax", Amount(e.Tax))],
            e.CreditApplied > 0 ? w["split.credit", ("amount", Amount(e.CreditApplied))] : null,
            e.CarriedIn > 0 ? w["split.carried_in", ("amount", Amount(e.CarriedIn))] : null,
            e.CarriedOut > 0 ? w["split.carried_out", ("amount", Amount(e.CarriedOut))] : null,
        ];
        return string.Join(", ", all.OfType<string>());
    }

    private string Code(string? code) => code is null ? show.Words["case.code.none"] : show.Name("code", code);

    private string Reason(string? reason) => reason is null ? "–" : show.Words.Find("reason." + reason) ?? (reason.Contains(' ', StringComparison.Ordinal) ? reason : show.Name("code", reason));

    private static string To(BookEvent e) => e.To is { Length: > 0 } to ? string.Join(", ", to.Select(r => r.Email).Order(StringComparer.Ordinal)) : "–";

    private static string Key(string name) => string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? "_" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString(CultureInfo.InvariantCulture)));
}
