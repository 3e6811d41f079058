using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Dunning.Events;
using Dunning.Gateways;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Ops.Signals;

/// <summary>
/// Everything that this process counts. Labels are few and known beforehand: no account, no address, nothing that a customer can make up.
/// What has happened is counted where it is saved, each server for itself; what is, is read off the database and alike on every server.
/// </summary>
public sealed class BookMeter : IDisposable
{
    /// <summary>The meter's name, and that of the spans' source.</summary>
    public const string Name = "Dunning";

    // Label of what belongs to no step.
    private const string NoStep = "none";

    private static readonly ImmutableArray<string> s_outcomes = ["succeeded", "failed", "unknown", "pending", "abandoned", "skipped", "stuck", "duplicate"];

    private static readonly ImmutableHashSet<string> s_declines = [.. Declines.All.Select(d => d.Code)];

    private static readonly ImmutableHashSet<string> s_templates = [.. MailTemplates.All];

    private static readonly ImmutableHashSet<string> s_actions =
        [.. typeof(ActionNames).GetFields().Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!)];

    private readonly Meter _meter = new(Name, BuildInfo.Version);
    private readonly FiguresReader _figures;
    private readonly string _gateway;

    private readonly Counter<long> _renewals;
    private readonly Counter<long> _invoices;
    private readonly Counter<double> _invoiced;
    private readonly Counter<long> _invoicesSettled;
    private readonly Counter<long> _charges;
    private readonly Counter<double> _charged;
    private readonly Counter<long> _returns;
    private readonly Counter<long> _casesOpened;
    private readonly Counter<double> _casesOpenedAmount;
    private readonly Counter<long> _caseSteps;
    private readonly Counter<long> _casesRecovered;
    private readonly Counter<double> _casesRecoveredAmount;
    private readonly Counter<long> _casesStopped;
    private readonly Counter<long> _casesExhausted;
    private readonly Histogram<double> _recovery;
    private readonly Counter<long> _suspensions;
    private readonly Counter<long> _reactivations;
    private readonly Counter<long> _purges;
    private readonly Counter<long> _mails;
    private readonly Counter<long> _deliveries;
    private readonly Histogram<double> _sending;
    private readonly Counter<long> _actions;
    private readonly Counter<long> _webhooks;
    private readonly Counter<long> _passRuns;
    private readonly Counter<long> _passAccounts;
    private readonly Counter<long> _passFaults;
    private readonly Histogram<double> _passDuration;
    private readonly Histogram<double> _gatewayDuration;

    /// <summary>Makes the instruments, and counts from here on.</summary>
    /// <param name="figures">The database's.</param>
    /// <param name="gateway">Gateway and mode.</param>
    internal BookMeter(FiguresReader figures, string gateway)
    {
        (_figures, _gateway) = (figures, gateway);
        _renewals = Counter("dunning.renewals", "Subscriptions renewed.");
        _invoices = Counter("dunning.invoices.issued", "Invoices issued.");
        _invoiced = Amount("dunning.invoices.issued.amount", "What issued invoices ask for, in the currency's main unit.");
        _invoicesSettled = Counter("dunning.invoices.settled", "Invoices settled: paid, voided or written_off.");
        _charges = Counter("dunning.charges", "Charges by what became of them; a decline has its code, or other.");
        _charged = Amount("dunning.charges.amount", "What succeeded charges took, in the currency's main unit.");
        _returns = Counter("dunning.payments.returned", "Payments that went back: refunded, reversed or disputed.");
        _casesOpened = Counter("dunning.cases.opened", "Dunning cases opened.");
        _casesOpenedAmount = Amount("dunning.cases.opened.amount", "What was due on invoices whose case was opened, in the currency's main unit.");
        _caseSteps = Counter("dunning.cases.steps", "Steps done.");
        _casesRecovered = Counter("dunning.cases.recovered", "Dunning cases whose invoice was paid, by the step that was paid; none: by a new card, credit or by hand.");
        _casesRecoveredAmount = Amount("dunning.cases.recovered.amount", "What was due on invoices that were recovered, in the currency's main unit.");
        _casesStopped = Counter("dunning.cases.stopped", "Dunning cases that ended without a payment: voided or written off.");
        _casesExhausted = Counter("dunning.cases.exhausted", "Dunning cases whose last step is done.");
        _recovery = _meter.CreateHistogram("dunning.cases.recovery", "s", "From a case's opening until its invoice was paid.", tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [.. new double[] { 0.25, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90 }.Select(d => d * 86_400)] });
        _suspensions = Counter("dunning.suspensions", "Accounts suspended.");
        _reactivations = Counter("dunning.reactivations", "Accounts that left suspension.");
        _purges = Counter("dunning.purges", "Accounts purged.");
        _mails = Counter("dunning.mails", "Mails by what became of them: sent, dropped as no longer true, or dead for a recipient.");
        _deliveries = Counter("dunning.mails.deliveries", "Messages handed to the mail server, by its verdict.");
        _sending = Seconds("dunning.mails.send", "One message, from the first byte to the mail server's verdict.");
        _actions = Counter("dunning.actions", "What customers, the application and operators asked for.");
        _webhooks = Counter("dunning.webhooks", "What the gateway told: received, refused, and what became of it.");
        _passRuns = Counter("dunning.pass.runs", "Runs of passes on this server by outcome.");
        _passAccounts = Counter("dunning.pass.accounts", "Accounts that passes claimed on this server.");
        _passFaults = Counter("dunning.pass.faults", "Accounts that passes left as they were on this server.");
        _passDuration = _meter.CreateHistogram("dunning.pass.duration", "s", "Runs of passes on this server.", tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 240, 600] });
        _gatewayDuration = Seconds("dunning.gateway.call", "Calls of the gateway, waiting for their turn included.");
        MakeGauges();
        Store = new MetricStore(_meter);
        BeginAtZero();
    }

    /// <summary>The sums.</summary>
    internal MetricStore Store { get; }

    /// <summary>What a watch of things outside of the book last found, such as certificates; names and instants.</summary>
    public ImmutableArray<(string What, Instant Ends)> Expiries { get; set; } = [];

    /// <summary>Free and whole bytes of volumes that the service needs.</summary>
    public ImmutableArray<(string Volume, long Free, long Size)> Volumes { get; set; } = [];

    /// <summary>Room that is left under the guards, by guard, and whether it has tripped.</summary>
    public ImmutableArray<(string Guard, long Left, bool IsTripped)> Allowances { get; set; } = [];

    /// <summary>Begins at zero for the currencies of the plans and the steps of the schedule: without, Prometheus can't see the first that happens.</summary>
    public void Know(IEnumerable<string> currencies, int steps)
    {
        foreach (var currency in currencies)
        {
            var ofCurrency = new KeyValuePair<string, object?>("currency", currency);
            foreach (var counter in new[] { _invoices, _casesOpened })
            {
                counter.Add(0, ofCurrency);
            }
            foreach (var counter in new[] { _invoiced, _casesOpenedAmount })
            {
                counter.Add(0, ofCurrency);
            }
            _charged.Add(0, new("gateway", _gateway), ofCurrency);
            foreach (var how in (string[])["paid", "voided", "written_off"])
            {
                _invoicesSettled.Add(0, ofCurrency, new("how", how));
            }
            foreach (var how in (string[])["refunded", "reversed", "disputed"])
            {
                _returns.Add(0, new("how", how), ofCurrency);
            }
            foreach (var step in Enumerable.Range(1, steps - 1).Select(s => (object)s).Append(NoStep))
            {
                _casesRecovered.Add(0, ofCurrency, new("step", step));
                _casesRecoveredAmount.Add(0, ofCurrency, new("step", step));
            }
        }
        for (var step = 1; step < steps; step++)
        {
            _caseSteps.Add(0, new KeyValuePair<string, object?>("step", step));
        }
    }

    /// <summary>Counts what a saved decision says.</summary>
    public void Count(Decision decision)
    {
        var currency = decision.After.Currency;
        foreach (var e in decision.Events)
        {
            Count(decision, e, currency);
        }
        foreach (var mail in decision.After.Mails)
        {
            var dead = DeadIn(mail) - (decision.Before.Mails.FirstOrDefault(m => m.Number == mail.Number) is { } before ? DeadIn(before) : 0);
            if (dead > 0)
            {
                _mails.Add(dead, new("template", TemplateOf(mail.Template)), new("outcome", "dead"));
            }
        }

        static int DeadIn(Model.Mail mail) => mail.Recipients.Count(r => r.State == DeliveryState.Dead);
    }

    /// <summary>Counts an action by its answer.</summary>
    public void CountAction(AccountAction action, bool isRejected) => _actions.Add(1,
        new("action", s_actions.Contains(action.Do) ? action.Do : "other"), new("result", isRejected ? "rejected" : "accepted"),
        new("by", action.Operator is null ? "application" : "operator"));

    /// <summary>Counts a run of a pass.</summary>
    public void Count(EndedPass run)
    {
        var pass = new KeyValuePair<string, object?>("pass", Texts.Pass[run.Pass]);
        _passRuns.Add(1, pass, new("outcome", PostgresPassLog.NameOf(run.Outcome)));
        _passDuration.Record(run.Duration.TotalSeconds, pass);
        _passAccounts.Add(run.Report?.Accounts ?? 0, pass);
        _passFaults.Add(run.Report?.Faults.Count ?? 0, pass);
    }

    /// <summary>Counts a call of the gateway.</summary>
    public void CountCall(string operation, string outcome, TimeSpan duration) =>
        _gatewayDuration.Record(duration.TotalSeconds, new("gateway", _gateway), new("operation", operation), new("outcome", outcome));

    /// <summary>Counts a message to the mail server.</summary>
    public void CountSend(DeliveryVerdict verdict, TimeSpan duration) => _sending.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("verdict", NameOf(verdict)));

    /// <summary>Counts what came of a mail to one recipient.</summary>
    public void CountDelivery(string template, DeliveryVerdict verdict) =>
        _deliveries.Add(1, new("template", TemplateOf(template)), new("verdict", NameOf(verdict)));

    /// <summary>Counts webhooks.</summary>
    public void CountWebhooks(string result, int count = 1) => _webhooks.Add(count, new("gateway", _gateway), new("result", result));

    /// <inheritdoc/>
    public void Dispose()
    {
        Store.Dispose();
        _meter.Dispose();
    }

    private static string NameOf(DeliveryVerdict verdict) => verdict switch
    {
        DeliveryVerdict.Accepted => "accepted",
        DeliveryVerdict.Deferred => "deferred",
        DeliveryVerdict.Rejected => "rejected",
        DeliveryVerdict.Bounced => "bounced",
    };

    private static string TemplateOf(string? template) => template is not null && s_templates.Contains(template) ? template : "other";

    private void Count(Decision decision, BookEvent e, Currency currency)
    {
        var ofCurrency = new KeyValuePair<string, object?>("currency", currency.Code);
        switch (e.Type)
        {
            case EventTypes.SubscriptionRenewed:
                _renewals.Add(1);
                break;
            case EventTypes.InvoiceIssued:
                _invoices.Add(1, ofCurrency);
                _invoiced.Add(Major(e.AmountDue, currency), ofCurrency);
                break;
            case EventTypes.InvoicePaid or EventTypes.InvoiceVoided or EventTypes.InvoiceWrittenOff:
                _invoicesSettled.Add(1, ofCurrency, new("how", e.Type["invoice.".Length..]));
                break;
            case EventTypes.ChargeFailed:
                CountCharge("failed", e.Code is { } code && s_declines.Contains(code) ? code : "other");
                break;
            case EventTypes.ChargeSucceeded:
                CountCharge("succeeded", "");
                _charged.Add(Major(e.Amount, currency), new("gateway", _gateway), ofCurrency);
                break;
            case EventTypes.ChargeUnknown or EventTypes.ChargePending or EventTypes.ChargeAbandoned or EventTypes.ChargeSkipped or EventTypes.ChargeStuck
                or EventTypes.ChargeDuplicate:
                CountCharge(e.Type["charge.".Length..], "");
                break;
            case EventTypes.PaymentRefunded or EventTypes.PaymentReversed or EventTypes.PaymentDisputed:
                _returns.Add(1, new("how", e.Type["payment.".Length..]), ofCurrency);
                break;
            case EventTypes.DunningOpened:
                _casesOpened.Add(1, ofCurrency);
                _casesOpenedAmount.Add(Major(InvoiceOf(decision.After, e)?.AmountDue.Minor, currency), ofCurrency);
                break;
            case EventTypes.DunningStep:
                _caseSteps.Add(1, new KeyValuePair<string, object?>("step", e.Step));
                break;
            case EventTypes.DunningRecovered:
                var invoice = InvoiceOf(decision.After, e) ?? InvoiceOf(decision.Before, e);
                // The event has the last step done. The one that is paid is never done, so it is the next.
                var step = new KeyValuePair<string, object?>("step", IsPaidByStep(decision.After, e) ? e.Step + 1 : NoStep);
                _casesRecovered.Add(1, ofCurrency, step);
                _casesRecoveredAmount.Add(Major(invoice?.AmountDue.Minor, currency), ofCurrency, step);
                if (InvoiceOf(decision.Before, e)?.Case is { } opened)
                {
                    _recovery.Record((e.At - opened.OpenedAt).TotalSeconds, ofCurrency);
                }
                break;
            case EventTypes.DunningStopped:
                _casesStopped.Add(1);
                break;
            case EventTypes.DunningExhausted:
                _casesExhausted.Add(1);
                break;
            case EventTypes.AccountSuspended:
                _suspensions.Add(1);
                break;
            case EventTypes.AccountReactivated:
                _reactivations.Add(1);
                break;
            case EventTypes.AccountPurged:
                _purges.Add(1);
                break;
            case EventTypes.EmailSent:
                _mails.Add(1, new("template", TemplateOf(e.Template)), new("outcome", "sent"));
                break;
            case EventTypes.EmailDropped:
                _mails.Add(1, new("template", TemplateOf(e.Template)), new("outcome", "dropped"));
                break;
            default:
                break;
        }

        static Invoice? InvoiceOf(AccountFile file, BookEvent e) =>
            file.Invoices.FirstOrDefault(i => i.SubscriptionId == e.Subscription && i.PeriodStart == e.PeriodStart);

        static bool IsPaidByStep(AccountFile file, BookEvent e) => file.Charges.Any(c =>
            c is { State: ChargeState.Succeeded, Duplicate: false, Kind: AttemptKind.Step } && c.SubscriptionId == e.Subscription && c.PeriodStart == e.PeriodStart);
    }

    private void CountCharge(string outcome, string code) =>
        _charges.Add(1, new("gateway", _gateway), new("outcome", outcome), new("decline_code", code));

    private Counter<long> Counter(string name, string text) => _meter.CreateCounter<long>(name, null, text);

    private Counter<double> Amount(string name, string text) => _meter.CreateCounter<double>(name, null, text);

    private Histogram<double> Seconds(string name, string text) => _meter.CreateHistogram<double>(name, "s", text);

    private void Gauge(string name, string? unit, string text, Func<Figures, IEnumerable<Measurement<double>>> of) =>
        _meter.CreateObservableGauge(name, () => _figures.Last is { } figures ? of(figures) : [], unit, text);

    // Without a first zero, Prometheus can't see the first that happens.
    private void BeginAtZero()
    {
        _renewals.Add(0);
        foreach (var outcome in s_outcomes.Where(o => o != "failed"))
        {
            _charges.Add(0, new("gateway", _gateway), new("outcome", outcome), new("decline_code", ""));
        }
        foreach (var code in s_declines.Append("other"))
        {
            _charges.Add(0, new("gateway", _gateway), new("outcome", "failed"), new("decline_code", code));
        }
        foreach (var counter in new[] { _casesStopped, _casesExhausted, _suspensions, _reactivations, _purges })
        {
            counter.Add(0);
        }
        foreach (var template in MailTemplates.All)
        {
            foreach (var outcome in (string[])["sent", "dropped", "dead"])
            {
                _mails.Add(0, new("template", template), new("outcome", outcome));
            }
        }
        foreach (var pass in JobSettings.Passes)
        {
            var ofPass = new KeyValuePair<string, object?>("pass", Texts.Pass[pass]);
            foreach (var outcome in Enum.GetValues<PassOutcome>())
            {
                _passRuns.Add(0, ofPass, new("outcome", PostgresPassLog.NameOf(outcome)));
            }
            _passAccounts.Add(0, ofPass);
            _passFaults.Add(0, ofPass);
        }
        foreach (var result in (string[])["received", "refused", "done", "ignored", "deferred", "failed"])
        {
            CountWebhooks(result, 0);
        }
    }

    private void MakeGauges()
    {
        _meter.CreateObservableGauge("dunning.build.info", () => new Measurement<double>(
            1, new("version", BuildInfo.Version), new("job_host", BuildInfo.JobHost), new("mail_transport", BuildInfo.MailTransport), new("gateway", _gateway)), null,
            "1, with what this build is.");
        _meter.CreateObservableGauge("dunning.database.up", () => _figures.Last is null ? 0d : 1d, null, "Whether the database answers.");
        Gauge("dunning.database.clock_skew", "s", "The database's clock less this machine's.", f => [new(f.ClockSkew)]);
        Gauge("dunning.pass.backlog", null, "Accounts that are due for a pass.", f => f.Passes.Select(p => Of(p.Backlog, "pass", p.Pass)));
        Gauge("dunning.pass.backlog.age", "s", "Since when the oldest of them is due; 0: none is.",
            f => f.Passes.Select(p => Of(p.Oldest is { } oldest ? (f.At - oldest).TotalSeconds : 0, "pass", p.Pass)));
        Gauge("dunning.pass.last_success.timestamp", "s", "When a pass last ran without failing as a whole, on any server.",
            f => f.Passes.Where(p => p.SucceededAt is not null).Select(p => Of(Unix(p.SucceededAt!.Value), "pass", p.Pass)));
        Gauge("dunning.pass.failures", null, "How often a pass has failed as a whole since it last did not.", f => f.Passes.Select(p => Of(p.Failures, "pass", p.Pass)));
        Gauge("dunning.outbox.mails", null, "Mails in the outbox, to one recipient each, that wait or can't be delivered.",
            f => [Of(f.Pending.Count, "state", "pending"), Of(f.Dead, "state", "dead")]);
        Gauge("dunning.outbox.age", "s", "How long ago the oldest mail that waits was decided; 0: none waits.", f => [new(Age(f, f.Pending.Oldest))]);
        Gauge("dunning.charges.open", null, "Charges without an outcome.", f => OpenCharges(f).Select(c => Of(c.Count, "state", c.State)));
        Gauge("dunning.charges.open.age", "s", "How long ago the oldest of them was first sent; 0: there is none.", f => OpenCharges(f).Select(c => Of(Age(f, c.Oldest), "state", c.State)));
        Gauge("dunning.charges.open.stuck", null, "Charges that only an operator can resolve.", f => [new(f.Stuck)]);
        Gauge("dunning.gateway.out", null, "1 while the gateway is out and nothing is charged.", f => [Of(f.OutSince is null ? 0 : 1, "gateway", _gateway)]);
        Gauge("dunning.gateway.out.age", "s", "For how long it has been out.", f => [Of(Age(f, f.OutSince), "gateway", _gateway)]);
        Gauge("dunning.webhooks.kept", null, "What the gateway told and is not worked off: pending, or failed for good.",
            f => [Of(f.Webhooks.Pending, "state", "pending"), Of(f.Webhooks.Failed, "state", "failed")]);
        Gauge("dunning.invoices.open", null, "Unpaid invoices by currency and their case's last step; step none: no case.", f => f.Open.Select(o => OfOpen(o.Currency, o.Step, o.Count)));
        Gauge("dunning.invoices.open.amount", null, "What they ask for, in the currency's main unit.",
            f => f.Open.Select(o => OfOpen(o.Currency, o.Step, Major(o.Minor, Currency.Of(o.Currency)))));
        Gauge("dunning.accounts", null, "Accounts by access.", f => f.Accounts.Select(a => Of(a.Count, "access", a.Access)));
        Gauge("dunning.alerts.open", null, "Alerts that are on.", f => f.Alerts.Select(a => new Measurement<double>(a.Count, new("rule", a.Rule), new("severity", a.Severity))));
        _meter.CreateObservableGauge("dunning.expiry.timestamp", () => Expiries.Select(x => Of(Unix(x.Ends), "what", x.What)), "s", "When a certificate or key ends.");
        _meter.CreateObservableGauge("dunning.volume.free", () => Volumes.Select(v => Of(v.Free, "volume", v.Volume)), "By", "Free bytes where the service keeps files.");
        _meter.CreateObservableGauge("dunning.volume.size", () => Volumes.Select(v => Of(v.Size, "volume", v.Volume)), "By", "Size of the volumes where it does.");
        _meter.CreateObservableGauge("dunning.guard.allowance", () => Allowances.Select(a => Of(a.Left, "guard", a.Guard)), null, "What a guard still lets through within its window.");

        _meter.CreateObservableGauge("dunning.guard.tripped", () => Allowances.Select(a => Of(a.IsTripped ? 1 : 0, "guard", a.Guard)), null, "1 while a guard waits for an operator.");

        static Measurement<double> Of(double value, string label, string content) => new(value, new KeyValuePair<string, object?>(label, content));

        static Measurement<double> OfOpen(string currency, int? step, double value) =>
            new(value, new("currency", currency), new("step", step is { } number ? number : NoStep));

        static double Age(Figures figures, Instant? since) => since is { } at ? Math.Max(0, (figures.At - at).TotalSeconds) : 0;

        static double Unix(Instant at) => at.ToUnixTimeSeconds();

        static IEnumerable<(string State, long Count, Instant? Oldest)> OpenCharges(Figures figures) => new[] { "in_flight", "unknown", "pending" }
            .Select(s => figures.OpenCharges.FirstOrDefault(c => c.State == s) is { State: not null } open ? (s, open.Count, open.Oldest) : (s, 0L, (Instant?)null));
    }

    // For people and graphs; nothing is decided by it.
    private static double Major(long? minor, Currency currency) => (minor ?? 0) / Math.Pow(10, currency.Digits);
}
