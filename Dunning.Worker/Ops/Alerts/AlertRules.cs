using System.Collections.Immutable;
using System.Globalization;
using Dapper;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Ops.Signals;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Alerts;

/// <summary>
/// What operators are warned of, before harm is done. Each rule looks at the database, so that every server says the same; those about a machine name it
/// in their keys, and only that machine says that it is over.
/// </summary>
internal sealed class AlertRules(NpgsqlDataSource source, WorkerSettings settings, FiguresReader figures, Guards guards, Watch watch, string server, Instant startedAt)
{
    private static readonly Duration s_day = Duration.FromDays(1);

    // Too often asked is over in a minute; a key is not.
    private static readonly Duration s_refused = Duration.FromMinutes(10);

    private ImmutableArray<Expiry> _expiries = [];
    private Instant? _lookedAt;

    /// <summary>Every rule, for the manual and its test.</summary>
    public static ImmutableArray<string> All { get; } =
    [
        "pass_late", "pass_failing", "backlog", "gateway_out", "gateway_refuses", "mail_dead", "mail_stuck", "guard_tripped", "charge_unknown", "charge_stuck", "refund_due", "invoice_without_outcome",
        "expiry", "disk", "database_size", "clock_skew", "webhook_failed",
    ];

    /// <summary>What ends, as it was last looked at.</summary>
    public ImmutableArray<Expiry> Expiries => _expiries;

    /// <summary>The volumes, as they were last looked at.</summary>
    public ImmutableArray<Volume> Volumes { get; private set; } = [];

    /// <summary>From when on something is worth an alert; a running service takes new ones.</summary>
    public AlertSettings Limits { get; set; } = settings.Alerts;

    /// <summary>Looks at everything.</summary>
    public async Task<Findings> LookAsync(Instant now, CancellationToken ct)
    {
        var (found, unsure) = (new List<Finding>(), new HashSet<string>(StringComparer.Ordinal));
        var present = await figures.ReadAsync(now, ct);
        await using (var connection = await source.OpenConnectionAsync(ct))
        {
            await PassesAsync(connection, present, now, found, unsure, ct);
            await MailsAsync(connection, now, found, ct);
            await ChargesAsync(connection, now, found, ct);
            await DatabaseSizeAsync(connection, found, ct);
        }
        if (present.OutSince is { } since && now - since >= Limits.Outage)
        {
            Add("gateway_out", "gateway_out", Severity.Critical,
                $"The gateway has been out for {Words(now - since)}: {(present.OutBecause is { } cause ? $"it {cause.Words}: {cause.Reason}" : "it does not answer")}. Nothing is charged until it answers again.", "/ops");
            // What keeps it out is told there.
            unsure.Add("gateway_refuses");
        }
        else if (present.Refusing is { } refusing && (refusing.Runs >= Limits.PassFailures || now - refusing.Since >= s_refused))
        {
            Add("gateway_refuses", "gateway_refuses", Severity.Critical,
                $"The gateway {refusing.Why.Words}: {refusing.Why.Reason}. Nothing has been charged for {Words(now - refusing.Since)}, and no customer hears of it: 'dunning doctor' tries the key.", "/ops");
        }
        if (present.Webhooks.Failed > 0)
        {
            Add("webhook_failed", "webhook_failed", Severity.Warning,
                $"{Count(present.Webhooks.Failed, "webhook", "webhooks")} of the gateway could not be worked off for three days: see what was last wrong, then try again.", "/ops/charges#webhooks");
        }
        foreach (var guard in await guards.ListAsync(ct))
        {
            if (guard.TrippedAt is { } tripped)
            {
                var name = Guards.NameOf(guard.Kind);
                Add("guard_tripped:" + name, "guard_tripped", Severity.Critical, string.Create(CultureInfo.InvariantCulture,
                    $"The guard of {name} has stopped them: {guard.Wanted} within 24 hours were wanted, {guard.Limit} are allowed. Nothing more of the kind is done until an operator approves (since {At(tripped)})."), "/ops/passes");
            }
        }
        if (Duration.FromSeconds(Math.Abs(present.ClockSkew)) >= Limits.ClockSkew)
        {
            Add("clock_skew@" + server, "clock_skew", Severity.Warning, string.Create(CultureInfo.InvariantCulture,
                $"The clock of {server} and the database's are {Math.Abs(present.ClockSkew):0.0} seconds apart: mend the time service of both."), "/ops");
        }
        Disks(found);
        await ExpiriesAsync(now, found, unsure, ct);
        return new Findings(found, unsure);

        void Add(string key, string rule, Severity severity, string summary, string page) => found.Add(new Finding(key, rule, severity, summary, page));
    }

    /// <summary>Whether an open alert is this server's to end.</summary>
    public bool IsOurs(string key) => key.IndexOf('@', StringComparison.Ordinal) is var at && (at < 0 || key[(at + 1)..].Split('#')[0] == server);

    private async Task PassesAsync(NpgsqlConnection connection, Figures present, Instant now, List<Finding> found, HashSet<string> unsure, CancellationToken ct)
    {
        // A server that is gone leaves its last failures behind; others that succeed since say that all is well.
        var failing = (await connection.QueryAsync<FailingRow>(new CommandDefinition(
            """
            select distinct on (s.pass) s.pass, s.server, s.failures, s.error
            from dunning.pass_state s
            join (select pass, max(succeeded_at) as succeeded_at from dunning.pass_state group by pass) b using (pass)
            where s.failures >= @least and (b.succeeded_at is null or s.ended_at >= b.succeeded_at - interval '15 minutes')
            order by s.pass, s.failures desc
            """,
            new { least = Limits.PassFailures }, cancellationToken: ct))).ToDictionary(r => r.Pass, StringComparer.Ordinal);
        var running = (await connection.QueryAsync<string>(new CommandDefinition(
            "select distinct pass from dunning.pass_state where ended_at is null and started_at >= @since",
            new { since = (now - Limits.PassLate).Utc() }, cancellationToken: ct))).ToHashSet(StringComparer.Ordinal);
        foreach (var pass in present.Passes)
        {
            // Also of a pass that is off: it may have been forgotten so.
            if (pass.Oldest is { } oldest && now - oldest >= Limits.Backlog)
            {
                found.Add(new Finding("backlog:" + pass.Pass, "backlog", Severity.Warning,
                    $"{Count(pass.Backlog, "account is", "accounts are")} due for the pass {pass.Pass}, the first for {Words(now - oldest)}.", "/ops/passes"));
            }
            var cron = settings.Jobs.Cron[Texts.Pass[pass.Pass]];
            if (cron == JobSettings.Off)
            {
                continue;
            }
            if (failing.GetValueOrDefault(pass.Pass) is { } row)
            {
                found.Add(new Finding("pass_failing:" + pass.Pass, "pass_failing", Severity.Critical, string.Create(CultureInfo.InvariantCulture,
                    $"The pass {pass.Pass} has failed {row.Failures} times in a row on {row.Server} ({row.Error}): the log tells why."), "/ops/passes"));
            }
            else if (CronText.LastBefore(cron, settings.Jobs.Zone, now - Limits.PassLate) is { } due && !(pass.SucceededAt >= due - Duration.FromMinutes(1))
                && !running.Contains(pass.Pass))
            {
                // What was late while no server ran is caught up with soon.
                if (now - startedAt < Limits.PassLate)
                {
                    unsure.Add("pass_late:" + pass.Pass);
                    continue;
                }
                found.Add(new Finding("pass_late:" + pass.Pass, "pass_late", Severity.Critical,
                    $"The pass {pass.Pass} is late: it last ran {(pass.SucceededAt is { } last ? Words(now - last) + " ago" : "never")}.", "/ops/passes"));
            }
        }
    }

    private async Task MailsAsync(NpgsqlConnection connection, Instant now, List<Finding> found, CancellationToken ct)
    {
        var dead = await connection.ExecuteScalarAsync<long>(new CommandDefinition(
            "select count(*) from dunning.outbox where state = 'dead' and settled_at >= @since", new { since = (now - s_day).Utc() }, cancellationToken: ct));
        if (dead >= Limits.DeadMails)
        {
            found.Add(new Finding("mail_dead", "mail_dead", Severity.Warning,
                $"{Count(dead, "mail", "mails")} of the last 24 hours can't be delivered: mend the address or the mail server, then send again.", "/ops/mails"));
        }
        var waiting = await connection.ExecuteScalarAsync<long>(new CommandDefinition(
            "select count(*) from dunning.outbox where state = 'pending' and tries >= 2 and decided_at < @before", new { before = (now - Limits.Backlog).Utc() }, cancellationToken: ct));
        // Single addresses may wait for days; if nothing leaves, it is the mail server.
        if (waiting > 0 && !await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists(select from dunning.outbox where state = 'accepted' and settled_at >= @since)", new { since = (now - Limits.Backlog).Utc() }, cancellationToken: ct)))
        {
            found.Add(new Finding("mail_stuck", "mail_stuck", Severity.Critical,
                $"No mail has left for {Words(Limits.Backlog)}, and {Count(waiting, "waits", "wait")} that the mail server would not take: 'dunning doctor' tries it.", "/ops/mails"));
        }
    }

    private async Task ChargesAsync(NpgsqlConnection connection, Instant now, List<Finding> found, CancellationToken ct)
    {
        var open = await connection.QuerySingleAsync<ChargesRow>(new CommandDefinition(
            """
            select count(*) filter (where not stuck and first_called_at < @before) as unknown, count(*) filter (where stuck) as stuck,
                (array_agg(account_id order by first_called_at) filter (where not stuck and first_called_at < @before))[1] as unknown_account,
                (array_agg(account_id order by first_called_at) filter (where stuck))[1] as stuck_account,
                min(first_called_at) filter (where not stuck) as oldest
            from dunning.charge where state in ('in_flight', 'unknown')
            """,
            new { before = (now - Limits.Unknown).Utc() }, cancellationToken: ct));
        if (open.Unknown > 0)
        {
            found.Add(new Finding("charge_unknown", "charge_unknown", Severity.Critical,
                $"{Count(open.Unknown, "charge has", "charges have")} had no outcome for more than {Words(Limits.Unknown)}, the first for {Words(now - open.Oldest.Instant()!.Value)} (account {open.UnknownAccount}).",
                open.Unknown == 1 ? PageOf(open.UnknownAccount) : "/ops/charges"));
        }
        if (open.Stuck > 0)
        {
            found.Add(new Finding("charge_stuck", "charge_stuck", Severity.Critical,
                $"{Count(open.Stuck, "charge is", "charges are")} stuck: the gateway does not know what became of it, and an operator must say (account {open.StuckAccount}).", open.Stuck == 1 ? PageOf(open.StuckAccount) : "/ops/charges"));
        }
        // Since when is in no column: since its invoice was voided, or since it was found to have taken money twice.
        var refunds = await connection.QuerySingleAsync<RefundsRow>(new CommandDefinition(
            """
            select count(*) as count, min(d.since) as oldest, (array_agg(d.account_id order by d.since))[1] as account
            from (
                select c.account_id, greatest(c.last_called_at, r.settled_at, (
                    select max(e.at) from dunning.event e
                    where e.account_id = c.account_id and e.subscription_id = c.subscription_id and e.period_start = c.period_start and e.type = @duplicate)) as since
                from dunning.charge c left join dunning.receivable r using (subscription_id, period_start)
                where c.refund_due) d
            where d.since < @before
            """,
            new { before = (now - Limits.Unknown).Utc(), duplicate = EventTypes.ChargeDuplicate }, cancellationToken: ct));
        if (refunds.Count > 0)
        {
            found.Add(new Finding("refund_due", "refund_due", Severity.Critical,
                $"{Count(refunds.Count, "refund is", "refunds are")} due and not made for more than {Words(Limits.Unknown)}, the first for {Words(now - refunds.Oldest.Instant()!.Value)} (account {refunds.Account}): each minute it is tried, and the gateway does not make it.",
                refunds.Count == 1 ? PageOf(refunds.Account) : "/ops/charges"));
        }
        var lost = await connection.QuerySingleAsync<LostRow>(new CommandDefinition(
            $"""
            select count(*) as count, min(r.account_id) as account
            from dunning.receivable r join dunning.invoice i using (subscription_id, period_start)
            where {OpenChargeQueries.Untried}
            """,
            new { before = (now - Limits.NoOutcome).Utc(), day = now.InUtc().Date.Date() }, cancellationToken: ct));
        if (lost.Count > 0)
        {
            found.Add(new Finding("invoice_without_outcome", "invoice_without_outcome", Severity.Critical,
                $"{Count(lost.Count, "invoice has", "invoices have")} been unpaid for more than {Words(Limits.NoOutcome)} with no attempt under way and no dunning case (account {lost.Account}): something keeps the passes from it.",
                lost.Count == 1 ? PageOf(lost.Account) : "/ops/charges"));
        }
    }

    private async Task DatabaseSizeAsync(NpgsqlConnection connection, List<Finding> found, CancellationToken ct)
    {
        if (Limits.DatabaseGigabytes == 0)
        {
            return;
        }
        var size = await connection.ExecuteScalarAsync<long>(new CommandDefinition("select pg_database_size(current_database())", cancellationToken: ct));
        var room = Limits.DatabaseGigabytes * 1_000_000_000L;
        if (room - size < room / 100 * Limits.DiskFreePercent)
        {
            found.Add(new Finding("database_size", "database_size", Severity.Warning, string.Create(CultureInfo.InvariantCulture,
                $"The database has {size / 1e9:0.0} of {Limits.DatabaseGigabytes} GB: less than {Limits.DiskFreePercent} % are left."), "/ops"));
        }
    }

    private void Disks(List<Finding> found)
    {
        Volumes = watch.Volumes();
        foreach (var volume in Volumes.Where(v => v.Size > 0 && v.Free < v.Size / 100 * Limits.DiskFreePercent))
        {
            found.Add(new Finding("disk@" + server + "#" + volume.Folder, "disk", Severity.Warning, string.Create(CultureInfo.InvariantCulture,
                $"{server} has {volume.Free / 1e9:0.0} GB left of {volume.Size / 1e9:0.0} GB at {volume.Folder}: less than {Limits.DiskFreePercent} %."), "/ops"));
        }
    }

    private async Task ExpiriesAsync(Instant now, List<Finding> found, HashSet<string> unsure, CancellationToken ct)
    {
        // Others' servers are asked once an hour.
        if (_lookedAt is not { } at || now - at >= Duration.FromHours(1))
        {
            (_expiries, _lookedAt) = (await watch.ExpiriesAsync(ct), now);
        }
        else if (_expiries.Where(e => e.Ends - now < Limits.Expiry).Select(KeyOf).ToArray() is { Length: > 0 } near)
        {
            // It may have been renewed since: another server, which has seen so, may have ended the alert.
            await using var connection = await source.OpenConnectionAsync(ct);
            if (await connection.ExecuteScalarAsync<int>(new CommandDefinition(
                "select count(*)::int from dunning.alert where key = any(@near) and resolved_at is null", new { near }, cancellationToken: ct)) < near.Length)
            {
                (_expiries, _lookedAt) = (await watch.ExpiriesAsync(ct), now);
            }
        }
        foreach (var expiry in _expiries)
        {
            var key = KeyOf(expiry);
            if (expiry.Ends is not { } ends)
            {
                unsure.Add(key);
            }
            else if (ends - now < Limits.Expiry)
            {
                found.Add(new Finding(key, "expiry", ends - now < Duration.FromDays(3) ? Severity.Critical : Severity.Warning,
                    ends <= now ? $"{Capital(expiry.Text)} has ended on {Day(ends)}." : $"{Capital(expiry.Text)} ends on {Day(ends)}: renew it.", "/ops"));
            }
        }
    }

    private static string KeyOf(Expiry expiry) => "expiry:" + expiry.What;

    private static string Count(long count, string one, string many) => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? one : many)}");

    private static string Words(Duration duration) => duration.TotalHours switch
    {
        < 2 => Count((long)duration.TotalMinutes, "minute", "minutes"),
        < 48 => Count((long)duration.TotalHours, "hour", "hours"),
        _ => Count((long)duration.TotalDays, "day", "days"),
    };

    private static string PageOf(string? account) => OpsPath.Of("/ops/account", ("id", account));

    private static string At(Instant at) => NodaTime.Text.InstantPattern.General.Format(at);

    private static string Day(Instant at) => NodaTime.Text.LocalDatePattern.Iso.Format(at.InUtc().Date);

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private sealed record FailingRow(string Pass, string Server, int Failures, string? Error);

    private sealed record ChargesRow(long Unknown, long Stuck, string? UnknownAccount, string? StuckAccount, DateTime? Oldest);

    private sealed record RefundsRow(long Count, DateTime? Oldest, string? Account);

    private sealed record LostRow(long Count, string? Account);
}
