using System.Collections.Immutable;
using Dunning.Documents;
using Dunning.Gateways;
using Dunning.Gateways.GoCardless;
using Dunning.Gateways.Outages;
using Dunning.Gateways.Reconciling;
using Dunning.Gateways.Sandbox;
using Dunning.Gateways.Stripe;
using Dunning.Gateways.Webhooks;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Events;
using Dunning.Ops.Signals;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Pay;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Hosting;

/// <summary>
/// The rules over one database, put together: the one place where stores, gateway, mail and passes meet. Everything that works on a live book goes
/// through it: the service, commands, jobs.
/// </summary>
public sealed class Engine : IAsyncDisposable
{
    private readonly PostgresLedger? _ledger;
    private readonly PostgresCatalog _catalog;
    private readonly WorkerSettings _settings;
    private readonly TimeProvider _time;
    private volatile PassLimits _limits;
    private readonly IMailTransport? _transport;
    private readonly MailPace? _pace;
    private readonly ILogger<Bounces> _bounceLog;
    private readonly OutageGuard? _guard;
    private readonly AdoptedCharges _adopted;
    private readonly BookMeter? _meter;

    private Engine(
        Database database, WorkerSettings settings, RuleOptions rules, string installation, TimeProvider time, ILoggerFactory loggers, bool sendsMail,
        bool guards, BookMeter? meter)
    {
        _meter = meter;
        (Database, _settings, Rules, Installation, _time, _limits) = (database, settings, rules, installation, time, settings.Limits);
        _catalog = new PostgresCatalog(database.Source);
        _adopted = new AdoptedCharges(database.Source);
        _bounceLog = loggers.CreateLogger<Bounces>();
        Links = new PayLinks(database.Source, settings.Links, time);
        Guards = new Guards(database.Source, settings.Guards, Now, loggers.CreateLogger<PostgresGuards>());
        switch (settings.Payments.Chosen)
        {
            case StripeOptions options:
                var stripe = new StripeGateway(options, time, installation);
                (Gateway, Webhooks, Cards) = (stripe, stripe.Webhooks, stripe);
                break;
            case GoCardlessOptions options:
                var goCardless = new GoCardlessGateway(options, time);
                (Gateway, Webhooks) = (goCardless, goCardless.Webhooks);
                break;
            default:
                _ledger = new PostgresLedger(database.Source, loggers.CreateLogger<PostgresLedger>());
                Gateway = new SandboxGateway(_ledger, settings.Payments.Sandbox, time);
                Cards = SandboxCards = new SandboxCardUpdates(database.Source, settings.Links.PublicUrl, time);
                break;
        }
        if (_ledger is null)
        {
            Environment = new EnvironmentLock(
                database.Source, settings.EnvironmentFile, installation, settings.Payments.Gateway, settings.Payments.IsLive, Gateway as IGatewayAccount, Now,
                loggers.CreateLogger<EnvironmentLock>());
            _guard = new OutageGuard(database.Source, settings.Payments.Outage, Now, loggers.CreateLogger<OutageGuard>());
        }
        Book = new PostgresBook(
            database.Source, rules.Fingerprint, settings.Seller, guards ? new PostgresGuards(settings.Guards, loggers.CreateLogger<PostgresGuards>()) : null);
        if (sendsMail)
        {
            _transport = MailTransports.Create(settings.Mail);
            _transport = meter is null ? _transport : new MeasuredTransport(_transport, meter, time);
            _pace = new MailPace(settings.Mail.Smtp?.PerMinute ?? 0);
            var mailer = new Mailer(
                new MailComposer(settings.Texts, settings.Mail, installation, PlanName, Links), _transport, time, _pace,
                PostgresDocuments.Open(database.Source, settings.Documents.Look, time), AtOnce(settings.Mail.Smtp));
            Mailer = meter is null ? mailer : new MeasuredMailer(mailer, meter);
        }
        else
        {
            Mailer = new SinkMailer();
        }
    }

    /// <summary>Where the book is.</summary>
    public Database Database { get; }

    /// <summary>The rules' settings.</summary>
    public RuleOptions Rules { get; }

    /// <summary>Names this database in idempotency keys.</summary>
    public string Installation { get; }

    /// <summary>The store.</summary>
    public PostgresBook Book { get; }

    /// <summary>Where charges go.</summary>
    public IPaymentGateway Gateway { get; }

    /// <summary>What the gateway tells by itself; null: it tells nothing, or may not.</summary>
    public IWebhookGateway? Webhooks { get; }

    /// <summary>Where customers give and confirm cards; null: a gateway without.</summary>
    public ICardUpdates? Cards { get; }

    /// <summary>The same, where it is the sandbox.</summary>
    public SandboxCardUpdates? SandboxCards { get; }

    /// <summary>What stops harm to many, as operators see and approve it.</summary>
    public Guards Guards { get; }

    /// <summary>The links in mails.</summary>
    public PayLinks Links { get; }

    /// <summary>Where mails go.</summary>
    public IMailer Mailer { get; }

    /// <summary>Where the database belongs; null: no real gateway charges out of it.</summary>
    public EnvironmentLock? Environment { get; }

    private Catalog LastCatalog { get; set; } = Catalog.Empty;

    /// <summary>
    /// Opens the engine on a database whose schema is there. With <paramref name="takesOver"/>, the service's start, a change of the rules' settings is
    /// worked into <c>due</c> first; a command refuses to work with other settings than the service's.
    /// </summary>
    public static async Task<Engine> OpenAsync(
        Database database, WorkerSettings settings, TimeProvider time, ILoggerFactory loggers, bool takesOver, CancellationToken ct,
        RuleOptions? rules = null, bool sendsMail = true, BookMeter? meter = null)
    {
        rules ??= settings.Rules;
        var store = new PostgresSettings(database.Source);
        var installation = await store.InstallationAsync(ct);
        await using (var connection = await database.Source.OpenConnectionAsync(ct))
        {
            await GatewayBinding.BindAsync(connection, settings.Payments.Gateway, ct);
            if (settings.Payments.Chosen is SandboxOptions)
            {
                await SandboxSchema.CreateAsync(connection, ct);
            }
        }
        // A simulation tells what would happen; nothing in it can be approved.
        var guards = rules.IsService && await store.GetAsync(PostgresSettings.Simulation, ct) is null;
        var engine = new Engine(database, settings, rules, installation, time, loggers, sendsMail, guards, meter);
        if (takesOver || await store.GetAsync(PostgresSettings.Rules, ct) is null)
        {
            var book = await engine.RulebookAsync(ct);
            var now = engine.Now();
            await new PostgresRework(database.Source).EnsureAsync(rules.Fingerprint, file => Pass.DueOf(file, now, book), ct);
        }
        return engine;
    }

    /// <summary>The present instant, in whole seconds.</summary>
    public Instant Now() => Instant.FromUnixTimeSeconds(_time.GetUtcNow().ToUnixTimeSeconds());

    /// <summary>The rules with the plans and tax rates of now.</summary>
    public async Task<Rulebook> RulebookAsync(CancellationToken ct)
    {
        LastCatalog = await _catalog.LoadAsync(ct);
        return new Rulebook(Rules, LastCatalog, Installation) { Gateway = _settings.Payments.Traits };
    }

    /// <summary>Runs one pass now. <paramref name="onSaved"/> is called for each decision saved, from several threads.</summary>
    /// <exception cref="EnvironmentException">The database is not known to be the one that this machine charges out of.</exception>
    public async Task<PassReport> RunAsync(PassKind kind, CancellationToken ct, Func<Instant>? clock = null, Action<Decision>? onSaved = null)
    {
        await EnterAsync(ct);
        if (kind is PassKind.Mail or PassKind.All && _settings.Mail.BounceFolder is { } bounces)
        {
            await TakeBouncesAsync(bounces, onSaved, ct);
        }
        if (kind is PassKind.Mail or PassKind.All)
        {
            await Links.LoadAsync(ct);
        }
        var book = await RulebookAsync(ct);
        var hasAdopted = await _adopted.AnyAsync(ct);
        if (_guard is not null)
        {
            await new Probe(Database.Source, Gateway, _guard, TryAsync).RunAsync(ct);
        }
        if (hasAdopted)
        {
            await TellAdoptedAsync(onSaved, ct);
        }
        var guarded = _guard is null ? null : new GuardedGateway(Gateway, _guard);
        var report = await RunnerOver(_guard is null ? Book : new GuardedBook(Book, _guard), guarded ?? Gateway, _limits).RunAsync(kind, ct);
        if (guarded is not null)
        {
            await TellRefusalAsync(guarded);
        }
        if (Environment is not null && report.Accounts > 0)
        {
            // A backup that was made while the pass ran is older than what the pass did.
            await Environment.EnterAsync(CancellationToken.None);
        }
        return report;

        PassRunner RunnerOver(IBook accounts, IPaymentGateway gateway, PassLimits limits) =>
            new(_meter is null ? accounts : new TracedBook(accounts), () => book, Measured(hasAdopted ? new AdoptedGateway(gateway, _adopted) : gateway),
                Mailer, clock ?? Now, limits)
            {
                OnSaved = _meter is null ? onSaved : decision =>
                {
                    _meter.Count(decision);
                    onSaved?.Invoke(decision);
                },
            };

        IPaymentGateway Measured(IPaymentGateway gateway) => _meter is null ? gateway : new MeasuredGateway(gateway, _meter, _time);

        async Task<bool> TryAsync(PassKind pass, GuardedGateway gateway)
        {
            var report = await RunnerOver(new TrialBook(Book), gateway, _limits with { Concurrency = 1 }).RunAsync(pass, ct);
            await TellRefusalAsync(gateway);
            return report.Accounts > 0;
        }

        // Told once a pass: what it has done stands, also when the service is stopping. Refused after others were answered, as when it was asked too often: it
        // charges, and a key that was revoked amid a pass is found out by the next.
        Task TellRefusalAsync(GuardedGateway gateway) => gateway.AnsweredCharges > 0 ? _guard!.AnsweredAsync(CancellationToken.None)
            : gateway.Refusal is { } refusal ? _guard!.RefusedAsync(refusal, CancellationToken.None) : Task.CompletedTask;
    }

    /// <summary>Whether a pass may begin at all; where not, it throws.</summary>
    /// <exception cref="EnvironmentException">The database is not known to be the one that this machine charges out of.</exception>
    public async Task EnterAsync(CancellationToken ct)
    {
        if (Environment is not null)
        {
            await Environment.EnterAsync(ct);
        }
    }

    /// <summary>Takes what a running service may take of new settings: the limits of passes and the pace of mails.</summary>
    public void Reload(WorkerSettings settings)
    {
        _limits = settings.Limits;
        _pace?.Change(settings.Mail.Smtp?.PerMinute ?? 0);
    }

    /// <summary>The gateway's outage that is on, as every server knows it; null: none.</summary>
    public async Task<Outage?> OutageAsync(CancellationToken ct) => _guard is null ? null : await _guard.ReadAsync(ct);

    /// <summary>Decides an action at once, at the present instant.</summary>
    /// <exception cref="KeyNotFoundException">There is no such account.</exception>
    public async Task<Decision> ActAsync(AccountAction action, CancellationToken ct)
    {
        var decision = await DecideAsync(action.Account, null, (file, now, book) => Pass.Act(file, action, now, book), ct, action.NeedsInvoice);
        _meter?.CountAction(action, decision.Events.Any(e => e.Type == EventTypes.ActionRejected));
        return decision;
    }

    /// <summary>What an action would come to at the present instant, and what would lie ahead then; nothing is saved. Null: there is no such account.</summary>
    public async Task<(Decision Decision, ImmutableArray<Prospect> Ahead)?> PreviewAsync(AccountAction action, CancellationToken ct)
    {
        if (await new PostgresFiles(Database.Source).FileAsync(action.Account, ct, action.NeedsInvoice) is not { } file)
        {
            return null;
        }
        var (book, now) = (await RulebookAsync(ct), Now());
        var decision = Pass.Act(file, action, now, book);
        return (decision, Forecast.Of(decision.After, now, book));
    }

    /// <summary>Decides on what the gateway tells by itself, read anew there.</summary>
    /// <exception cref="KeyNotFoundException">There is no such account.</exception>
    public Task<Decision> ToldAsync(string account, GatewayNews news, CancellationToken ct) =>
        DecideAsync(account, news.FindKey(), (file, now, book) => Pass.Told(file, news, now, book), ct);

    /// <summary>Decides that mail to a contact came back after it had been taken. <paramref name="reason"/> is codes alone.</summary>
    public Task<Decision> BouncedAsync(string account, int contact, string reason, CancellationToken ct) =>
        DecideAsync(account, null, (file, now, book) => Pass.Bounced(file, contact, reason, now, book), ct);

    /// <summary>Decides an operator's word that mail reaches a contact again.</summary>
    public Task<Decision> ReachableAsync(string account, int contact, CancellationToken ct) =>
        DecideAsync(account, null, (file, now, book) => Pass.Reachable(file, contact, now, book), ct);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_transport is not null)
        {
            await _transport.DisposeAsync();
            await _pace!.DisposeAsync();
        }
        (Gateway as IDisposable)?.Dispose();
        _guard?.Dispose();
        if (Environment is not null)
        {
            await Environment.DisposeAsync();
        }
        if (_ledger is not null)
        {
            await _ledger.DisposeAsync();
        }
    }

    /// <summary>So many messages are in the making that a connection never waits for one.</summary>
    internal static int AtOnce(SmtpOptions? smtp) => 4 * (smtp?.Connections ?? 4);

    // Mails go out whatever becomes of them.
    private async Task TakeBouncesAsync(string folder, Action<Decision>? onSaved, CancellationToken ct)
    {
        try
        {
            await new Bounces(this).TakeFolderAsync(folder, _time, (result, file) =>
            {
                _bounceLog.LogInformation("Mail:BounceFolder, {File}: {Says}", file, result.Says);
                if (result.Decision is { } decision)
                {
                    onSaved?.Invoke(decision);
                }
            }, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _bounceLog.LogError(e, "Mail:BounceFolder can't be read");
        }
    }

    // Money that the gateway has for an invoice, under a key that none of its attempts here came to.
    private async Task TellAdoptedAsync(Action<Decision>? onSaved, CancellationToken ct)
    {
        foreach (var charge in await _adopted.UnclaimedAsync(ct))
        {
            var news = new GatewayNews.PaidElsewhere(charge.SubscriptionId, charge.PeriodStart, charge.Amount, charge.Reference);
            onSaved?.Invoke(await ToldAsync(charge.AccountId, news, ct));
            await _adopted.ToldAsync(charge.Key, Now(), ct);
        }
    }

    private async Task<Decision> DecideAsync(
        string account, string? chargeKey, Func<AccountFile, Instant, Rulebook, Decision> decide, CancellationToken ct, (string, NodaTime.LocalDate)? invoice = null)
    {
        var (book, now) = (await RulebookAsync(ct), Now());
        var result = await Book.AnswerAsync([new AnswerFor(account, chargeKey, file => decide(file, now, book)) { Invoice = invoice }], ct);
        var decision = result.Faults.Count > 0 ? throw result.Faults[0].Exception : result.Decisions[0];
        _meter?.Count(decision);
        return decision;
    }

    private string PlanName(string code, string language) => LastCatalog.Plans.GetValueOrDefault(code)?.NameIn(language) ?? code;
}
