using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Gateways.Webhooks;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;
using Npgsql;

namespace Dunning.Ops;

/// <summary>What came of an act on an account.</summary>
/// <param name="Decision">What was decided and saved.</param>
public sealed record Acted(Decision Decision)
{
    /// <summary>It can't be done as things stand; nothing has changed but the trail.</summary>
    public bool IsRejected => Cause is not null;

    /// <summary>Why not, one of <see cref="RejectionCause"/>; null: it was done.</summary>
    public string? Cause => Decision.Events.FirstOrDefault(e => e.Type == EventTypes.ActionRejected) is { } e ? e.Code ?? RejectionCause.Other : null;
}

/// <summary>What an act would come to, to be looked at before it is done.</summary>
/// <param name="Acted">As it would be decided now.</param>
/// <param name="Ahead">What would lie ahead of the account then.</param>
public sealed record ActPreview(Acted Acted, ImmutableArray<Prospect> Ahead);

/// <summary>
/// The one way in which operators act, by page or by command, each time with a name and a reason. What is done to an account is an event of it; the rest is
/// a row of <c>dunning.audit</c>, written with what is done or, where that is not one transaction, just before: nothing is done without one. What could not
/// even begin has none.
/// </summary>
/// <param name="engine">The live book.</param>
public sealed class OperatorDesk(Engine engine)
{
    /// <summary>In the audit: every mail that was dead.</summary>
    public const string AllDead = "all dead";

    private NpgsqlDataSource Source => engine.Database.Source;

    /// <summary>Has an action decided at once, in the operator's name.</summary>
    /// <exception cref="KeyNotFoundException">There is no such account.</exception>
    public async Task<Acted> ActAsync(Mandate mandate, AccountAction action, CancellationToken ct) =>
        new(await engine.ActAsync(InNameOf(mandate, action), ct));

    /// <summary>What an action would come to now. Nothing is done, and the trail has nothing of it. Null: there is no such account.</summary>
    public async Task<ActPreview?> PreviewAsync(Mandate mandate, AccountAction action, CancellationToken ct) =>
        await engine.PreviewAsync(InNameOf(mandate, action), ct) is var (decision, ahead) ? new ActPreview(new Acted(decision), ahead) : null;

    /// <summary>The same on the invoice of that number; null: there is none.</summary>
    /// <param name="mandate">Who, and why.</param>
    /// <param name="number">Such as <c>INV-2026-000042</c>.</param>
    /// <param name="act">One of <see cref="ActionNames"/>.</param>
    /// <param name="with">Sets what the act needs beside the invoice.</param>
    /// <param name="ct">Stops waiting.</param>
    public async Task<Acted?> ActOnInvoiceAsync(Mandate mandate, string number, string act, Func<AccountAction, AccountAction>? with, CancellationToken ct) =>
        await OnInvoiceAsync(number, act, ct) is { } action ? await ActAsync(mandate, with is null ? action : with(action), ct) : null;

    /// <summary>The action on the invoice of that number; null: there is none.</summary>
    public async Task<AccountAction?> OnInvoiceAsync(string number, string act, CancellationToken ct) =>
        await new PostgresInvoices(Source).ShowAsync(number, ct) is { Invoice: var row }
            ? new AccountAction(engine.Now(), row.Account, act) { Subscription = row.Subscription, PeriodStart = row.PeriodStart.Local() } : null;

    /// <summary>Runs one pass here and now, beside whatever service is running.</summary>
    /// <exception cref="EnvironmentException">No pass may run out of this database: nothing is noted.</exception>
    /// <exception cref="ConfigurationMismatchException">Not with these rules: nothing is noted.</exception>
    public async Task<PassReport> RunPassAsync(Mandate mandate, PassKind kind, CancellationToken ct, Func<Instant>? clock = null)
    {
        await engine.EnterAsync(ct);
        await engine.Book.CheckRulesAsync(ct);
        await NoteAsync(mandate, AuditAct.RunPass, kind == PassKind.All ? "all" : Texts.Pass[kind], ct);
        return await engine.RunAsync(kind, ct, clock);
    }

    /// <summary>Lets the Mail pass try dead mails again: of one account and number, or all there are. Returns them; where there are none, nothing is done.</summary>
    public async Task<IReadOnlyList<OutboxView>> ResendAsync(Mandate mandate, string? account, int? number, CancellationToken ct) =>
        await new PostgresOutbox(Source).ReviveAsync(account, number, engine.Now(), (connection, transaction) => Audit.WriteAsync(
            connection, transaction, engine.Now(), mandate, AuditAct.ResendMail, account is null ? AllDead : FormattableString.Invariant($"{account} {number}"), ct), ct);

    /// <summary>Lets the service try failed events of the gateway again: one, or all there are. Returns how many; where there are none, nothing is done.</summary>
    public Task<int> RetryWebhooksAsync(Mandate mandate, string? eventId, CancellationToken ct) => RetryWebhooksAsync(Source, engine.Now(), mandate, eventId, ct);

    /// <summary>The same where there is no gateway: the service has it.</summary>
    internal static Task<int> RetryWebhooksAsync(NpgsqlDataSource source, Instant now, Mandate mandate, string? eventId, CancellationToken ct) =>
        new WebhookStore(source).ReviveAsync(eventId, now, ct, (connection, transaction) => Audit.WriteAsync(
            connection, transaction, now, mandate, AuditAct.RetryWebhook, eventId ?? "all failed", ct));

    /// <summary>Writes what is about to be done into the audit.</summary>
    /// <param name="mandate">Who, and why.</param>
    /// <param name="act">One of <see cref="AuditAct"/>.</param>
    /// <param name="subject">To what; nothing personal.</param>
    /// <param name="ct">Gives up.</param>
    public async Task NoteAsync(Mandate mandate, string act, string? subject, CancellationToken ct)
    {
        await using var connection = await Source.OpenConnectionAsync(ct);
        await Audit.WriteAsync(connection, null, engine.Now(), mandate, act, subject, ct);
    }

    private AccountAction InNameOf(Mandate mandate, AccountAction action) => action with { At = engine.Now(), Operator = mandate.Operator, Reason = mandate.Reason };
}
