using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Dapper;
using Dunning.Commands;
using Dunning.Events;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Mail;
using NodaTime;
using Xunit.Abstractions;

namespace Dunning.Tests.Gateways;

/// <summary>Keys change while charges run, and nothing that is secret or personal is ever logged.</summary>
public sealed partial class SecretsTests(ITestOutputHelper output)
{
    private const string NewKey = "sk_test_51AnotherAnotherAnother";

    [Fact]
    public async Task A_key_is_rotated_while_passes_run_and_the_old_one_revoked_without_a_refusal_or_a_pause()
    {
        await using var live = await LiveStripe.NewAsync(200);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, StandIn.SecretKey);
            var engine = await live.OpenAsync(keys: [("Payments:Stripe:SecretKey", ""), ("Payments:Stripe:SecretKeyFile", file), ("Payments:Stripe:PerSecond", "150")]);
            // However slow this machine is: the pass is not over before the key is another.
            var isWritten = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            live.Stripe.BeforeAnswering = () => live.Stripe.Uses.GetValueOrDefault(StandIn.SecretKey) > 50 ? isWritten.Task : Task.CompletedTask;
            var running = live.PassAsync(engine, TimeSpan.Zero, PassKind.Renew);
            await UntilAsync(() => live.Stripe.Uses.GetValueOrDefault(StandIn.SecretKey) > 50);

            // At Stripe both are taken for a while; the file is written over in place, not even renamed.
            live.Stripe.Keys[NewKey] = "acct_standin";
            await File.WriteAllTextAsync(file, NewKey);
            isWritten.SetResult();
            await UntilAsync(() => live.Stripe.Uses.GetValueOrDefault(NewKey) > 50);
            Assert.True(live.Stripe.Keys.TryRemove(StandIn.SecretKey, out _));

            var report = await running;
            Assert.Empty(report.Refusals);
            Assert.Equal(200, live.Stripe.Intents.Count(i => i.Status == "succeeded"));
            Assert.Equal(200, live.Count(EventTypes.InvoicePaid));
            Assert.Null(await engine.OutageAsync(default));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_key_of_another_account_that_slips_into_the_file_charges_nobody_and_blocks_nobodys_card()
    {
        await using var live = await LiveStripe.NewAsync(3);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, StandIn.SecretKey);
            var engine = await live.OpenAsync(keys: [("Payments:Stripe:SecretKey", ""), ("Payments:Stripe:SecretKeyFile", file)]);
            await live.PassAsync(engine, TimeSpan.Zero, PassKind.EndAccess);
            live.Stripe.Keys[NewKey] = "acct_other";
            await File.WriteAllTextAsync(file, NewKey);

            await Assert.ThrowsAsync<Dunning.Hosting.EnvironmentException>(() => engine.RunAsync(PassKind.Renew, default));
            Assert.Empty(live.Stripe.Intents);

            await File.WriteAllTextAsync(file, StandIn.SecretKey);
            await live.PassAsync(engine, TimeSpan.Zero, PassKind.Renew);
            Assert.Equal(3, live.Count(EventTypes.InvoicePaid));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task No_log_of_a_service_in_trouble_holds_a_key_a_token_a_mail_address_or_a_name()
    {
        const string MailPassword = "hunter2-of-the-mail-server";
        await using var mail = new ScriptedSmtpServer(command =>
            command.StartsWith("RCPT", StringComparison.Ordinal) && command.Contains("a00001", StringComparison.Ordinal) ? "550 5.1.1 <owner@a00001.example> Claire is unknown here"
            : command.StartsWith("RCPT", StringComparison.Ordinal) && command.Contains("a00002", StringComparison.Ordinal) ? "450 4.2.0 <owner@a00002.example> later"
            : command.StartsWith("RCPT", StringComparison.Ordinal) && command.Contains("a00003", StringComparison.Ordinal) ? ScriptedSmtpServer.Cut : null);
        await using var live = await LiveStripe.NewAsync(12);
        live.Time.Advance(TimeProvider.System.GetUtcNow() - live.Time.GetUtcNow());
        live.Stripe.Missing["cus_00004"] = "; a similar object may exist";
        live.Stripe.Break("cus_00005", WireFault.CutAfter);
        live.Stripe.Break("cus_00006", WireFault.ErrorBefore);
        live.Stripe.Break("cus_00007", WireFault.WrongJson);
        live.Stripe.Break("cus_00008", WireFault.KeyMismatch);
        var bounces = Directory.CreateDirectory(Path.Combine(live.MailFolder, "bounces")).FullName;
        await File.WriteAllTextAsync(Path.Combine(bounces, "x.eml"), "From: owner@a00001.example\r\nSubject: no report\r\n\r\nClaire\r\n");
        await using (var source = PostgresSource.Create(live.ConnectionString))
        {
            await using var connection = await source.OpenConnectionAsync();
            // Two decline, one by each advice; one account can't be decided at all, one refuses its rows.
            await connection.ExecuteAsync(
                """
                update dunning.payment_method set token = 'pm_card_visa_chargeDeclinedLostCard' where account_id in ('a00001', 'a00002');
                update dunning.payment_method set token = 'pm_card_authenticationRequired' where account_id = 'a00003';
                update dunning.account set time_zone = 'Nowhere/Land' where id = 'a00009';
                alter table dunning.invoice add constraint no_such_buyer check (account_id <> 'a00010');
                """);
        }
        var (log, link) = ("", "");
        // Twice: what the first has decided, the second mails.
        foreach (var until in new[]
        {
            "select count(*) >= 8 from dunning.event where type in ('invoice.paid', 'dunning.opened', 'charge.unknown')",
            "select not exists (select from dunning.outbox where state = 'pending' and tries = 0)",
        })
        {
            log += await RunServiceAsync(live, until, null,
                "Mail:Transport=smtp", "Mail:From=billing@seller.example", "Mail:Smtp:Host=127.0.0.1", "Mail:Smtp:Security=none", "Mail:BounceFolder=" + bounces,
                "Mail:Smtp:Port=" + mail.Port.ToString(CultureInfo.InvariantCulture), "Mail:Smtp:User=dunning", "Mail:Smtp:Password=" + MailPassword,
                "Logging:LogLevel:Default=Trace", "Logging:LogLevel:Microsoft=Debug", "Logging:LogLevel:System=Debug", "Logging:LogLevel:Hangfire=Debug",
                "Logging:LogLevel:Quartz=Debug", "Logging:LogLevel:Npgsql=Debug");
        }
        var before = log.Length;
        log += await RunServiceAsync(live, "select count(*) > 0 and bool_and(state <> 'pending') from dunning.webhook", VisitAsync,
            "Payments:Stripe:WebhookSecret=" + StandIn.WebhookSecret, "Links:PublicUrl=https://pay.seller.example", "Mail:Pickup=" + live.MailFolder,
            "Logging:LogLevel:Default=Trace", "Logging:LogLevel:Microsoft=Debug", "Logging:LogLevel:System=Debug");

        // It was in trouble, and said so.
        Assert.Contains("left account a00009 as it was", log, StringComparison.Ordinal);
        Assert.Contains("left account a00010 as it was", log, StringComparison.Ordinal);
        Assert.Contains("contact.bouncing", log, StringComparison.Ordinal);
        Assert.Matches("charges: [1-9][0-9]* succeeded, [1-9][0-9]* failed, [1-9][0-9]* unknown", log);
        Assert.Matches("[1-9][0-9]* mails sent", log);
        Assert.Contains("dbug: ", log, StringComparison.Ordinal);
        Assert.Contains("deliveries to /webhooks/stripe refused", log[before..], StringComparison.Ordinal);
        Assert.True(link.Length > 20);
        Assert.DoesNotContain(link, log, StringComparison.Ordinal);
        foreach (var line in log.Split('\n').Where(l => Secrets().IsMatch(l) || l.Contains(MailPassword, StringComparison.Ordinal)))
        {
            output.WriteLine(line);
        }
        Assert.DoesNotMatch(Secrets(), log);
        Assert.DoesNotContain(MailPassword, log, StringComparison.Ordinal);

        // What Stripe tells, what somebody else tells in its name, and a customer who opens a link and goes to give a card.
        async Task VisitAsync(Uri service)
        {
            using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = service };
            foreach (var told in live.Stripe.TakeTold())
            {
                foreach (var signature in new[] { StandIn.Sign(told.Body, Now(), "whsec_OfSomebodyElse"), StandIn.Sign(told.Body, Now()) })
                {
                    using var delivery = new HttpRequestMessage(HttpMethod.Post, "/webhooks/stripe") { Content = new StringContent(told.Body), Headers = { { "Stripe-Signature", signature } } };
                    using var taken = await http.SendAsync(delivery);
                }
            }
            var output = new StringWriter();
            Assert.Equal(0, await CommandLine.RunAsync(
                ["links", "make", "a00001", "--set", "ConnectionStrings:Dunning=" + live.ConnectionString, "--set", "Links:PublicUrl=https://pay.seller.example"], output, TextWriter.Null));
            var path = new Uri(output.ToString().Trim()).PathAndQuery;
            link = path[5..];
            using var page = await http.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, page.StatusCode);
            using var away = await http.PostAsync(path, new FormUrlEncodedContent([new("do", "update")]));
            Assert.Equal(HttpStatusCode.SeeOther, away.StatusCode);
        }

        static Instant Now() => Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow());
    }

    // Keys, ids of Stripe's that name a person or a card, any address, and what the accounts and people are called.
    [GeneratedRegex(@"\b(sk|rk|pm|cus|card|src|whsec)_[A-Za-z0-9]|[\w.+-]+@[\w-]+\.\w|Claire|Atelier|République", RegexOptions.CultureInvariant)]
    private static partial Regex Secrets();

    private static async Task<string> RunServiceAsync(LiveStripe live, string until, Func<Uri, Task>? visit, params string[] settings)
    {
        var service = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort.Take()}"));
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Dunning.Worker.dll"));
        start.ArgumentList.Add("run");
        foreach (var setting in settings.Append("Http:Urls=" + service.GetLeftPart(UriPartial.Authority)).Append("Payments:Gateway=stripe").Append("Payments:Stripe:BaseUrl=" + live.Stripe.Url)
            .Append("Environment:File=" + live.EnvironmentFile))
        {
            start.ArgumentList.Add("--set");
            start.ArgumentList.Add(setting);
        }
        start.Environment["ConnectionStrings__Dunning"] = live.ConnectionString;
        start.Environment["Payments__Stripe__SecretKey"] = StandIn.SecretKey;
        using var process = Process.Start(start)!;
        var texts = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            if (visit is not null)
            {
                using var http = new HttpClient { BaseAddress = service };
                await UntilAsync(async () => process.HasExited || await IsUpAsync(http));
                await visit(service);
            }
            await UntilAsync(async () => process.HasExited || await live.ScalarAsync<bool>(until));
        }
        finally
        {
            await process.EndAsync();
        }
        return string.Concat(await texts);
    }

    private static async Task<bool> IsUpAsync(HttpClient http)
    {
        try
        {
            return await http.GetStringAsync("/health/live") == "live";
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static Task UntilAsync(Func<bool> isSo) => UntilAsync(() => Task.FromResult(isSo()));

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await isSo())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(3), "waited three minutes in vain");
            await Task.Delay(50);
        }
    }
}
