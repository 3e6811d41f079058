using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Dunning.Gateways.Outages;
using Dunning.Gateways.Webhooks;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Ops.Alerts;
using Dunning.Ops.Queries;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Mail;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;

namespace Dunning.Tests.Ops.Alerts;

/// <summary>Each alert by its cause: told once by mail and by webhook, and once more when it is over.</summary>
public sealed class AlertTests
{
    private static readonly Mandate s_mandate = new("tests", "the cause is mended");

    private static readonly (string, string)[] s_noPasses = [.. JobSettings.Passes.Select(p => ($"Jobs:{p}:Cron", "off"))];

    [Fact]
    public async Task Passes_that_fail_or_do_not_come()
    {
        await using var rig = await AlertRig.NewAsync(0, null,
            [.. s_noPasses.Where(p => p.Item1 != "Jobs:Dun:Cron"), ("Alerts:PassFailures", "2")]);
        var fails = false;
        var worker = new PassWorker(
            (pass, _, _) => fails ? throw new InvalidOperationException("a text that nobody is told") : Task.FromResult(new PassReport { Kind = pass }),
            new NoHelpers(), rig.Time, NullLogger<PassWorker>.Instance, new PostgresPassLog(rig.Rig.Database.Source, "s1", NullLogger<PostgresPassLog>.Instance));
        await worker.RunAsync(PassKind.Dun, default);

        await rig.FiresOnceAndResolvesAsync("pass_failing:dun",
            async () =>
            {
                fails = true;
                await FailAsync();
                Assert.Empty(await rig.TellAsync());
                await FailAsync();
            },
            async () =>
            {
                fails = false;
                await worker.RunAsync(PassKind.Dun, default);
            });
        Assert.DoesNotContain("nobody", rig.Sink.Taken.First().Body, StringComparison.Ordinal);

        await rig.FiresOnceAndResolvesAsync("pass_late:dun",
            () => Ahead(rig, TimeSpan.FromMinutes(20)),
            () => worker.RunAsync(PassKind.Dun, default));

        // A server that has just started does not cry out over what was late while it was down, nor take back what another has told.
        await Ahead(rig, TimeSpan.FromMinutes(20));
        Assert.Equal(["raised pass_late:dun"], await rig.TellAsync());
        var young = rig.NewJob(rig.Settings, machine: "m2", startedAgo: Duration.FromMinutes(1));
        Assert.Empty(await rig.TellAsync(young));

        async Task FailAsync() => await Assert.ThrowsAsync<InvalidOperationException>(() => worker.RunAsync(PassKind.Dun, default));
    }

    [Fact]
    public async Task The_gateway_is_out_a_webhook_can_not_be_worked_off_and_a_reminder_comes_after_a_day()
    {
        await using var rig = await AlertRig.NewAsync(0, null, s_noPasses);
        using var guard = new OutageGuard(rig.Rig.Database.Source, new OutageOptions { Failures = 2 }, () => rig.Now, NullLogger<OutageGuard>.Instance);
        await rig.FiresOnceAndResolvesAsync("gateway_out",
            async () =>
            {
                await guard.CountAsync(isFailure: true);
                await guard.CountAsync(isFailure: true);
                Assert.Empty(await rig.TellAsync());
                await Ahead(rig, TimeSpan.FromMinutes(6));
            },
            () => guard.EndAsync(default));

        var store = new WebhookStore(rig.Rig.Database.Source);
        await rig.FiresOnceAndResolvesAsync("webhook_failed",
            async () =>
            {
                await store.TakeAsync("stripe", [new WebhookEvent("evt_1", "charge.refunded", "ch_1", null)], rig.Now, default);
                var turn = Assert.Single(await store.ClaimAsync("stripe", rig.Now, 1, default));
                await store.PutOffAsync("stripe", turn, null, rig.Now, "it can't be decided on", default);
            },
            // The gateway sends it again.
            () => store.TakeAsync("stripe", [new WebhookEvent("evt_1", "charge.refunded", "ch_1", null)], rig.Now, default));

        await guard.CountAsync(isFailure: true);
        await guard.CountAsync(isFailure: true);
        await Ahead(rig, TimeSpan.FromMinutes(6));
        Assert.Equal(["raised gateway_out"], await rig.TellAsync());
        await Ahead(rig, TimeSpan.FromHours(23));
        Assert.Empty(await rig.TellAsync());
        await Ahead(rig, TimeSpan.FromHours(2));
        Assert.Equal(["reminder gateway_out"], await rig.TellAsync());
        Assert.Empty(await rig.TellAsync());
    }

    [Fact]
    public async Task A_message_that_can_not_leave_is_kept_and_leaves_later_and_says_where_to_look()
    {
        await using var rig = await AlertRig.NewAsync(0, null, s_noPasses);
        using var guard = new OutageGuard(rig.Rig.Database.Source, new OutageOptions { Failures = 2 }, () => rig.Now, NullLogger<OutageGuard>.Instance);
        await guard.CountAsync(isFailure: true);
        await guard.CountAsync(isFailure: true);
        await Ahead(rig, TimeSpan.FromMinutes(6));
        rig.Sink.Status = 404;
        await rig.Job.RunAsync(default);
        await rig.Job.RunAsync(default);
        Assert.Equal((1, 0, 1), (rig.Smtp.Taken.Count, rig.Sink.Taken.Count, rig.Sink.Refused));
        Assert.Equal("the webhook answered 404", await rig.Rig.ScalarAsync<string>("select error from dunning.alert_message where sent_at is null"));

        rig.Sink.Status = 200;
        await Ahead(rig, TimeSpan.FromMinutes(2));
        await rig.Job.RunAsync(default);

        var (signature, body) = Assert.Single(rig.Sink.Taken);
        var parts = signature!.Split(',').ToDictionary(p => p[..p.IndexOf('=')], p => p[(p.IndexOf('=') + 1)..]);
        Assert.Equal(
            Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(AlertRig.Secret), Encoding.UTF8.GetBytes(parts["t"] + "." + body))), parts["v1"]);
        var json = JsonDocument.Parse(body).RootElement;
        Assert.Equal(("critical", "https://127.0.0.1:9/ops"), (json.GetProperty("severity").GetString(), json.GetProperty("page").GetString()));
        var (_, to, data) = Assert.Single(rig.Smtp.Taken);
        Assert.Equal("ops@acme.example", to);
        // The clock goes on meanwhile.
        Assert.Matches("The gateway has been out for [5-9] minutes", data);
        Assert.Contains("https://127.0.0.1:9/ops", data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_machines_tell_a_thing_once()
    {
        await using var rig = await AlertRig.NewAsync(0, null, s_noPasses);
        using var guard = new OutageGuard(rig.Rig.Database.Source, new OutageOptions { Failures = 2 }, () => rig.Now, NullLogger<OutageGuard>.Instance);
        await guard.CountAsync(isFailure: true);
        await guard.CountAsync(isFailure: true);
        await Ahead(rig, TimeSpan.FromMinutes(6));
        var others = Enumerable.Range(2, 3).Select(n => rig.NewJob(rig.Settings, machine: $"m{n}")).ToList();

        await Task.WhenAll(others.Select(o => o.RunAsync(default)));

        Assert.Equal(["raised gateway_out"], await rig.TellAsync());
    }

    [Fact]
    public async Task What_one_machine_sees_another_does_not_end_and_what_comes_back_is_the_same_row()
    {
        await using var rig = await AlertRig.NewAsync(0, null, s_noPasses);
        using var dying = Certificate(TimeSpan.FromDays(10));
        using var healthy = Certificate(TimeSpan.FromDays(90));
        await using var fresh = new ScriptedSmtpServer(certificate: healthy);
        var old = new ScriptedSmtpServer(certificate: dying);
        var (sees, doesNot) = (NewJob(old.Port, "m1"), NewJob(fresh.Port, "m2"));
        Assert.Equal(["raised expiry:smtp"], await rig.TellAsync(sees));
        for (var minute = 0; minute < 6; minute++)
        {
            Assert.Empty(await rig.TellAsync(doesNot));
            await Ahead(rig, TimeSpan.FromMinutes(1));
            Assert.Empty(await rig.TellAsync(sees));
        }

        Assert.Equal(["resolved expiry:smtp"], await rig.TellLaterAsync(doesNot));
        Assert.Equal(["raised expiry:smtp"], await rig.TellAsync(sees));
        Assert.Equal(1, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.alert"));

        // What was seen within the hour is not believed any more once another has ended it.
        Assert.Equal(["resolved expiry:smtp"], await rig.TellLaterAsync(doesNot));
        await old.DisposeAsync();
        Assert.Empty(await rig.TellAsync(sees));

        AlertJob NewJob(int port, string machine)
        {
            var settings = rig.Settings with { Mail = rig.Settings.Mail with { Smtp = rig.Settings.Mail.Smtp! with { Port = port, Security = SmtpSecurity.StartTls } } };
            return rig.NewJob(rig.Settings, new Watch(settings, null, rig.Time) { VolumeOf = _ => null }, machine);
        }
    }

    [Fact]
    public async Task A_machine_without_a_way_neither_takes_its_messages_nor_keeps_others_from_telling()
    {
        await using var rig = await AlertRig.NewAsync(0, null, s_noPasses);
        using var guard = new OutageGuard(rig.Rig.Database.Source, new OutageOptions { Failures = 2 }, () => rig.Now, NullLogger<OutageGuard>.Instance);
        await guard.CountAsync(isFailure: true);
        await guard.CountAsync(isFailure: true);
        await Ahead(rig, TimeSpan.FromMinutes(6));
        var mails = rig.NewJob(rig.Settings with { Alerts = rig.Settings.Alerts with { Webhook = null } }, machine: "m2");
        await mails.RunAsync(default);
        Assert.Equal((1, 0), (rig.Smtp.Taken.Count, rig.Sink.Taken.Count));

        rig.Sink.Status = 404;
        await rig.Job.RunAsync(default);
        rig.Sink.Status = 200;
        await Ahead(rig, TimeSpan.FromMinutes(2));
        await mails.RunAsync(default);
        Assert.Equal((1, 0, 1), (rig.Smtp.Taken.Count, rig.Sink.Taken.Count, rig.Sink.Refused));
        await rig.Job.RunAsync(default);
        Assert.Equal((1, 1), (rig.Smtp.Taken.Count, rig.Sink.Taken.Count));

        // Its end is told to all who were told of it, whoever sees it.
        await guard.EndAsync(default);
        await Ahead(rig, TimeSpan.FromMinutes(4));
        await mails.RunAsync(default);
        await rig.Job.RunAsync(default);
        Assert.Equal((2, 2), (rig.Smtp.Taken.Count, rig.Sink.Taken.Count));
    }

    [Fact]
    public async Task Certificates_keys_disks_the_databases_room_and_clocks()
    {
        await using var rig = await AlertRig.NewAsync(0, null, s_noPasses);
        using var dying = Certificate(TimeSpan.FromDays(10));
        using var healthy = Certificate(TimeSpan.FromDays(90));
        await using (var old = new ScriptedSmtpServer(certificate: dying))
        {
            await using var fresh = new ScriptedSmtpServer(certificate: healthy);
            var job = rig.NewJob(rig.Settings, new Watch(With(old.Port), null, rig.Time) { VolumeOf = _ => null });
            Assert.Equal(["raised expiry:smtp"], await rig.TellAsync(job));
            Assert.Empty(await rig.TellAsync(job));
            var renewed = rig.NewJob(rig.Settings, new Watch(With(fresh.Port), null, rig.Time) { VolumeOf = _ => null });
            Assert.Equal(["resolved expiry:smtp"], await rig.TellLaterAsync(renewed));
        }
        await using (var https = new ScriptedSmtpServer(certificate: dying, tlsAtOnce: true))
        {
            var address = new Uri($"https://127.0.0.1:{https.Port.ToString(CultureInfo.InvariantCulture)}/");
            var key = "expiry:https:" + address.Authority;
            var links = rig.Settings with { Links = rig.Settings.Links with { PublicUrl = address } };
            var job = rig.NewJob(links, new Watch(links, null, rig.Time) { VolumeOf = _ => null });
            Assert.Equal(["raised " + key], await rig.TellAsync(job));
        }
        // Whoever can't be asked any more has not been mended.
        var gone = rig.Settings with { Links = rig.Settings.Links with { PublicUrl = new Uri($"https://127.0.0.1:{await OpenKeyPortAsync(rig)}/") } };
        Assert.Empty(await rig.TellAsync(rig.NewJob(gone, new Watch(gone, null, rig.Time) { VolumeOf = _ => null })));
        await rig.Rig.ScalarAsync<int?>("delete from dunning.alert where rule = 'expiry'");

        var soon = rig.Settings with { Alerts = rig.Settings.Alerts with { KeyExpiresOn = rig.Now.InUtc().Date.PlusDays(5) } };
        Assert.Equal(["raised expiry:gateway_key"], await rig.TellAsync(rig.NewJob(soon)));
        Assert.Equal(["resolved expiry:gateway_key"], await rig.TellLaterAsync());

        // This machine's own: one volume, however many folders of it.
        var here = rig.Settings with { EnvironmentFile = Path.Combine(Path.GetTempPath(), "environment.json") };
        var volume = Assert.Single(new Watch(here, Path.GetTempPath(), rig.Time).Volumes());
        Assert.InRange(volume.Free, 1, volume.Size);

        var free = 50L;
        var disk = rig.NewJob(rig.Settings, new Watch(rig.Settings, "/data", rig.Time) { VolumeOf = folder => new Volume(folder, free * 1_000_000_000, 100_000_000_000) });
        await rig.FiresOnceAndResolvesAsync("disk@m1#/data", () => Task.FromResult(free = 9), () => Task.FromResult(free = 11), disk);

        var small = rig.Settings with { Alerts = rig.Settings.Alerts with { DatabaseGigabytes = 1, DiskFreePercent = 100 } };
        var large = rig.Settings with { Alerts = rig.Settings.Alerts with { DatabaseGigabytes = 1, DiskFreePercent = 10 } };
        Assert.Empty(await rig.TellAsync(rig.NewJob(large)));
        Assert.Equal(["raised database_size"], await rig.TellAsync(rig.NewJob(small)));
        Assert.Equal(["resolved database_size"], await rig.TellLaterAsync(rig.NewJob(large)));

        rig.Time.Ahead = TimeSpan.Zero;
        var strict = rig.NewJob(rig.Settings with { Alerts = rig.Settings.Alerts with { ClockSkew = Duration.FromSeconds(5) } });
        await rig.FiresOnceAndResolvesAsync("clock_skew@m1", () => Ahead(rig, TimeSpan.FromSeconds(40)), () => Ahead(rig, TimeSpan.FromSeconds(-40)), strict);

        // Only the machine itself knows that its clock goes right again.
        await Ahead(rig, TimeSpan.FromSeconds(40));
        Assert.Equal(["raised clock_skew@m1"], await rig.TellAsync(strict));
        Assert.Empty(await rig.TellAsync(rig.NewJob(rig.Settings, machine: "m2")));

        WorkerSettings With(int port) => rig.Settings with
        {
            Mail = rig.Settings.Mail with { Smtp = rig.Settings.Mail.Smtp! with { Port = port, Security = SmtpSecurity.StartTls } },
        };
    }

    [Fact]
    public async Task What_is_due_a_charge_without_an_outcome_a_stuck_one_and_an_invoice_that_nobody_charges()
    {
        await using var rig = await AlertRig.NewAsync(1, null, s_noPasses);
        // Overdue since days, and no pass has run.
        Assert.Equal(["raised backlog:renew"], await rig.TellAsync());
        Assert.Empty(await rig.TellAsync());
        await TokenAsync(rig, "sandbox_timeout_x1");
        await rig.Engine.RunAsync(PassKind.Renew, default);
        Assert.Equal(["resolved backlog:renew"], await rig.TellLaterAsync());
        // The answer was lost; nobody looks it up.
        await Ahead(rig, TimeSpan.FromHours(3));
        Assert.Equal(["raised backlog:reconcile", "raised charge_unknown"], await rig.TellAsync());
        Assert.Contains("\"page\":\"https://127.0.0.1:9/ops/account?id=a1\"", rig.Sink.Taken.Single(t => t.Body.Contains("charge_unknown")).Body, StringComparison.Ordinal);
        Assert.Empty(await rig.TellAsync());
        await rig.Engine.RunAsync(PassKind.Reconcile, default);
        Assert.Equal(["resolved backlog:reconcile", "resolved charge_unknown"], await rig.TellLaterAsync());
        await rig.Engine.RunAsync(PassKind.Mail, default);

        // What a fault of the program would leave: an open invoice, no charge under way, no case, nothing due.
        await rig.FiresOnceAndResolvesAsync("invoice_without_outcome",
            async () =>
            {
                await rig.Rig.ScalarAsync<int?>("update dunning.receivable set state = 'open', settled_at = null");
                await Ahead(rig, TimeSpan.FromHours(49));
            },
            () => rig.Rig.ScalarAsync<int?>("update dunning.receivable set state = 'paid', settled_at = now()"));

        await rig.FiresOnceAndResolvesAsync("charge_stuck",
            () => rig.Rig.ScalarAsync<int?>(
                "insert into dunning.charge (key, account_id, subscription_id, period_start, attempt, kind, method_id, method_generation, amount, currency, state, first_called_at, last_called_at, stuck, method_updated_since, refund_due) "
                + "select 'k', account_id, subscription_id, period_start, 9, kind, method_id, method_generation, amount, currency, 'unknown', now(), now(), true, false, false from dunning.charge limit 1"),
            () => rig.Rig.ScalarAsync<int?>("update dunning.charge set state = 'abandoned', stuck = false where key = 'k'"));

        // The gateway knows nothing of the charge that is to be given back.
        await rig.Rig.ScalarAsync<int?>("update sandbox.call set account_id = 'x' || account_id");
        var (subscription, start) = (await rig.Rig.ScalarAsync<string>("select subscription_id from dunning.receivable"), await rig.Rig.ScalarAsync<DateTime>("select period_start from dunning.receivable"));
        await rig.Engine.ActAsync(new AccountAction(rig.Now, "a1", ActionNames.VoidInvoice) { Subscription = subscription, PeriodStart = LocalDate.FromDateTime(start), Operator = "tests", Reason = "not wanted" }, default);
        Assert.True(await rig.Rig.ScalarAsync<bool>("select bool_or(refund_due) from dunning.charge"));
        await rig.Engine.RunAsync(PassKind.Reconcile, default);
        Assert.Empty(await rig.TellAsync());
        await Ahead(rig, TimeSpan.FromHours(3));
        await rig.Engine.RunAsync(PassKind.Reconcile, default);
        Assert.Equal(["raised refund_due"], (await rig.TellAsync()).Where(t => !t.Contains("backlog", StringComparison.Ordinal)));
        Assert.Contains("the first for 3 hours (account a1)", rig.Sink.Taken.Single(t => t.Body.Contains("refund_due")).Body, StringComparison.Ordinal);
        var refund = Assert.Single(await new OpenChargeQueries(rig.Rig.Database.Source).RefundsAsync(10, default));
        Assert.Equal(("a1", "refund"), (refund.Account, refund.State));
        await rig.Rig.ScalarAsync<int?>("update sandbox.call set account_id = substr(account_id, 2)");
        await Ahead(rig, TimeSpan.FromMinutes(4));
        await rig.Engine.RunAsync(PassKind.Reconcile, default);
        Assert.Contains("resolved refund_due", await rig.TellAsync());
    }

    [Fact]
    public async Task Mails_that_can_not_be_delivered_a_mail_server_that_takes_none_and_a_guard()
    {
        var says = (string?)"550 5.1.1 no such user";
        await using var rig = await AlertRig.NewAsync(3, line => line.StartsWith("RCPT", StringComparison.Ordinal) && !line.Contains("ops@", StringComparison.Ordinal) ? says : null,
            [.. s_noPasses, ("Guards:Mails:Count", "2"), ("Guards:Mails:Percent", "0"), ("Alerts:BacklogMinutes", "10080")]);
        await rig.Engine.RunAsync(PassKind.Renew, default);

        // Three receipts, and two are allowed.
        await rig.FiresOnceAndResolvesAsync("guard_tripped:mails",
            async () =>
            {
                says = "451 4.3.0 not now";
                await rig.Engine.RunAsync(PassKind.Mail, default);
            },
            async () => Assert.True(await rig.Engine.Guards.ApproveAsync(GuardKinds.Mails, s_mandate, default)));

        // Deferred again and again, for a week.
        var hasty = rig.NewJob(rig.Settings with { Alerts = rig.Settings.Alerts with { Backlog = Duration.FromMinutes(30) } });
        await Ahead(rig, TimeSpan.FromMinutes(20));
        await rig.Engine.RunAsync(PassKind.Mail, default);
        await Ahead(rig, TimeSpan.FromMinutes(20));
        await rig.Engine.RunAsync(PassKind.Mail, default);
        Assert.Equal(["raised mail_stuck"], (await rig.TellAsync(hasty)).Where(t => !t.Contains("guard", StringComparison.Ordinal)));
        await rig.Engine.Guards.ApproveAsync(GuardKinds.Mails, s_mandate, default);
        says = null;
        await Ahead(rig, TimeSpan.FromMinutes(20));
        await rig.Engine.RunAsync(PassKind.Mail, default);
        Assert.Contains("resolved mail_stuck", await rig.TellLaterAsync(hasty));

        await rig.Engine.Guards.ApproveAsync(GuardKinds.Mails, s_mandate, default);
        await rig.Engine.RunAsync(PassKind.Mail, default);
        Assert.Equal(0, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'pending'"));
        await rig.TellLaterAsync();
        await rig.FiresOnceAndResolvesAsync("mail_dead",
            async () =>
            {
                says = "550 5.1.1 no such user";
                await rig.Engine.ActAsync(new AccountAction(rig.Now, "a1", ActionNames.Credit) { Amount = 100 }, default);
                await Ahead(rig, TimeSpan.FromMinutes(1));
                await rig.Engine.RunAsync(PassKind.Mail, default);
                Assert.Equal(1, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'dead'"));
            },
            () => Ahead(rig, TimeSpan.FromHours(25)));
    }

    private static Task Ahead(AlertRig rig, TimeSpan by)
    {
        rig.Time.Ahead += by;
        return Task.CompletedTask;
    }

    private static Task TokenAsync(AlertRig rig, string token) => rig.Rig.ScalarAsync<int?>($"update dunning.payment_method set token = '{token}'");

    // The port of the certificate whose server is gone.
    private static Task<string> OpenKeyPortAsync(AlertRig rig) =>
        rig.Rig.ScalarAsync<string>("select split_part(key, ':', 4) from dunning.alert where rule = 'expiry' and resolved_at is null");

    private static X509Certificate2 Certificate(TimeSpan left)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now + left);
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    private sealed class NoHelpers : IHelpers
    {
        public Task CallAsync(PassKind pass, CancellationToken ct) => Task.CompletedTask;
    }
}
