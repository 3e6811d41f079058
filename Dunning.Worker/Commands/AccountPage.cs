using System.Collections.Immutable;
using System.Collections.ObjectModel;
using Dunning.Documents;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>Everything that <c>show</c> tells about one account.</summary>
/// <param name="AsOf">Now; in a database made for simulation the simulated now.</param>
/// <param name="IsSimulated">Whether it is.</param>
/// <param name="Sheet">The rows, also of what is over.</param>
/// <param name="File">The account as decisions read it.</param>
/// <param name="Ahead">What lies ahead.</param>
/// <param name="Events">Its events, newest last.</param>
/// <param name="Words">How its dates and amounts are written.</param>
internal sealed record AccountPage(
    Instant AsOf,
    bool IsSimulated,
    AccountSheet Sheet,
    AccountFile File,
    ImmutableArray<Prospect> Ahead,
    ImmutableArray<BookEvent> Events,
    AccountWords Words)
{
    /// <summary>
    /// Whether the database was last worked out with other rules than these: then what lies ahead is by these, and not by those of the service.
    /// </summary>
    public bool HasOtherRules { get; private init; }

    /// <summary>The guards that have tripped, and since when: they hold back what <see cref="Ahead"/> says of them.</summary>
    public IReadOnlyDictionary<GuardKinds, Instant> Tripped { get; private init; } = ReadOnlyDictionary<GuardKinds, Instant>.Empty;

    /// <summary>Reads the page, with plans by their names in that language, or null when there is no account of that id.</summary>
    public static async Task<AccountPage?> ReadAsync(
        Database database, WorkerSettings settings, string id, TimeProvider time, CancellationToken ct, string language = "en")
    {
        if (await new PostgresQueries(database.Source).ShowAsync(id, ct) is not { } sheet
            || await new PostgresFiles(database.Source).FileAsync(id, ct) is not { } file)
        {
            return null;
        }
        var events = ImmutableArray.CreateBuilder<BookEvent>();
        await foreach (var e in new PostgresEvents(database.Source).OfAccountAsync(id, ct))
        {
            events.Add(e);
        }
        var store = new PostgresSettings(database.Source);
        var simulation = await store.GetAsync(PostgresSettings.Simulation, ct);
        // A simulated book has its own time, and the time-zone data of the books.
        var rules = simulation is null ? settings.Rules : settings.Rules.ForSimulation() with { Zones = ZoneData.V2025b };
        var now = simulation is null ? Instant.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds())
            : InstantPattern.General.Parse(simulation) is { Success: true } simulated ? simulated.Value : file.LastEventAt;
        now = Instant.Max(now, file.LastEventAt);
        var catalog = await new PostgresCatalog(database.Source).LoadAsync(ct);
        var book = new Rulebook(rules, catalog, await store.InstallationAsync(ct)) { Gateway = simulation is null ? settings.Payments.Traits : GatewayTraits.Any };
        var tripped = await Guards.TrippedAsync(database.Source, ct);
        file = file with { Barred = tripped.Keys.Aggregate(GuardKinds.None, (all, kind) => all | kind) };
        var methods = sheet.Methods.ToDictionary(m => new MethodRef(m.Id, m.Generation), MethodOf);
        return new AccountPage(
            now,
            simulation is not null,
            sheet,
            file,
            Forecast.Of(file, now, book),
            events.ToImmutable(),
            new AccountWords(rules.Zones[file.TimeZone], file.Currency, methods.GetValueOrDefault,
                code => catalog.Plans.GetValueOrDefault(code)?.NameIn(language)))
        {
            HasOtherRules = await store.GetAsync(PostgresSettings.Rules, ct) is { } known && known != rules.Fingerprint,
            Tripped = tripped,
        };
    }

    /// <summary>Why the last attempt of an invoice failed, when the last one did.</summary>
    public string? LastFailure(Invoice invoice)
    {
        var last = Events.LastOrDefault(e => e.Subscription == invoice.SubscriptionId && e.PeriodStart == invoice.PeriodStart
            && e.Type is EventTypes.ChargeFailed or EventTypes.ChargeSkipped or EventTypes.ChargeSucceeded or EventTypes.ChargeUnknown or EventTypes.ChargePending);
        return last?.Type is EventTypes.ChargeFailed or EventTypes.ChargeSkipped ? last.Code ?? last.Reason : null;
    }

    /// <summary>The charges of an invoice whose money goes back, or has gone back.</summary>
    public IEnumerable<ChargeView> RefundsOf(InvoiceView invoice) =>
        Sheet.Charges.Where(c => c.SubscriptionId == invoice.SubscriptionId && c.PeriodStart == invoice.PeriodStart && (c.RefundDue || c.Refunded > 0));

    /// <summary>Since when a guard keeps the next step of an unpaid invoice from being made; null: none does.</summary>
    public Instant? HeldSince(Invoice invoice) =>
        Ahead.FirstOrDefault(p => p.Kind == ProspectKind.Step && p.Subscription == invoice.SubscriptionId && p.PeriodStart == invoice.PeriodStart) is { } step
            ? HeldSince(step) : null;

    /// <summary>Since when a guard holds back what lies ahead; null: none does.</summary>
    public Instant? HeldSince(Prospect ahead) => ahead.Guard == GuardKinds.None ? null : Tripped[ahead.Guard];

    /// <summary>A charge's own id at the gateway; null: it is not known, and the key finds it there.</summary>
    public string? ReferenceOf(Charge charge) => Sheet.Charges.FirstOrDefault(c => c.Key == charge.Key)?.Reference;

    /// <summary>The number of the invoice that a charge is for.</summary>
    public string NumberOf(Charge charge) => NumberOf(charge.SubscriptionId, charge.PeriodStart) ?? "NUMBER";

    /// <summary>Whether the gateway refused the last request that an invoice be charged: that was no attempt.</summary>
    public bool WasRefused(Invoice invoice) => Sheet.Charges.LastOrDefault(c => c.SubscriptionId == invoice.SubscriptionId && c.PeriodStart == invoice.PeriodStart.ToDateOnly())?.State == "refused";

    /// <summary>The row of an invoice, with its number.</summary>
    public InvoiceView? RowOf(Invoice invoice) => RowOf(invoice.SubscriptionId, invoice.PeriodStart);

    /// <summary>The number of an invoice by its period; null: there is none.</summary>
    public string? NumberOf(string subscription, LocalDate start) =>
        RowOf(subscription, start) is { } row ? DocumentNumber.Of(row.Series, row.Year, row.Number) : null;

    private InvoiceView? RowOf(string subscription, LocalDate start) =>
        Sheet.Invoices.FirstOrDefault(i => i.SubscriptionId == subscription && i.PeriodStart == start.ToDateOnly());

    private static PaymentMethod MethodOf(MethodView row) =>
        new() { Id = row.Id, Generation = row.Generation, Token = "", Brand = row.Brand, Last4 = row.Last4 };
}
