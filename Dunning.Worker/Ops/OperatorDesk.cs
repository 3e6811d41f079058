using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops;

/// <summary>What came of an act on an account.</summary>
/// <param name="Decision">What was decided and saved.</param>
public sealed record Acted(Decision Decision)
{
    /// <summary>It can't be done as things stand; nothing has changed but the trail.</summary>
    public bool IsRejected => Decision.Events.Any(e => e.Type == EventTypes.ActionRejected);
}

/// <summary>
/// The one way in which operators act, by page or by command, each time with a name and a reason. What is done to an account is an event of it; the rest is
/// a row of <c>dunning.audit</c>, written before it is done, so that nothing is done without one.
/// </summary>
/// <param name="engine">The live book.</param>
public sealed class OperatorDesk(Engine engine)
{
    private NpgsqlDataSource Source => engine.Database.Source;

    /// <summary>Has an action decided at once, in the operator's name.</summary>
    /// <exception cref="KeyNotFoundException">There is no such account.</exception>
    public async Task<Acted> ActAsync(Mandate mandate, AccountAction action, CancellationToken ct) =>
        new(await engine.ActAsync(action with { At = engine.Now(), Operator = mandate.Operator, Reason = mandate.Reason }, ct));

    /// <summary>The same on the invoice of that number; null: there is none.</summary>
    /// <param name="mandate">Who, and why.</param>
    /// <param name="number">Such as <c>INV-2026-000042</c>.</param>
    /// <param name="act">One of <see cref="ActionNames"/>.</param>
    /// <param name="with">Sets what the act needs beside the invoice.</param>
    /// <param name="ct">Stops waiting.</param>
    public async Task<Acted?> ActOnInvoiceAsync(Mandate mandate, string number, string act, Func<AccountAction, AccountAction>? with, CancellationToken ct)
    {
        if (await new PostgresInvoices(Source).ShowAsync(number, ct) is not { Invoice: var row })
        {
            return null;
        }
        var action = new AccountAction(engine.Now(), row.Account, act) { Subscription = row.Subscription, PeriodStart = row.PeriodStart.Local() };
        return await ActAsync(mandate, with is null ? action : with(action), ct);
    }

    /// <summary>Runs one pass here and now, beside whatever service is running.</summary>
    public async Task<PassReport> RunPassAsync(Mandate mandate, PassKind kind, CancellationToken ct, Func<Instant>? clock = null)
    {
        await NoteAsync(mandate, AuditAct.RunPass, kind == PassKind.All ? "all" : Texts.Pass[kind], ct);
        return await engine.RunAsync(kind, ct, clock);
    }

    /// <summary>Lets the Mail pass try dead mails again: of one account and number, or all there are. Returns them.</summary>
    public async Task<IReadOnlyList<OutboxView>> ResendAsync(Mandate mandate, string? account, int? number, CancellationToken ct)
    {
        await NoteAsync(mandate, AuditAct.ResendMail, account is null ? "all dead" : FormattableString.Invariant($"{account} {number}"), ct);
        return await new PostgresOutbox(Source).ReviveAsync(account, number, engine.Now(), ct);
    }

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
}
