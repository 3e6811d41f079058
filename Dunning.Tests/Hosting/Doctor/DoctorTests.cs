using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Dunning.Commands;
using Dunning.Hosting.Doctor;
using Dunning.Mail;
using Dunning.Tests.Gateways.GoCardlessStandIn;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Mail;
using Dunning.Tests.Postgres;
using NodaTime;

namespace Dunning.Tests.Hosting.Doctor;

/// <summary>What the doctor finds has a name and a fix, and nothing is changed by looking.</summary>
public sealed class DoctorTests
{
    [Theory]
    [InlineData("right", FindingLevel.Ok, "signed in")]
    [InlineData("wrong", FindingLevel.Fault, "refuses the sign-in of Mail:Smtp:User: 535 5.7.8 no")]
    public async Task It_signs_in_to_the_mail_server_and_begins_no_mail(string password, FindingLevel level, string says)
    {
        await using var server = new ScriptedSmtpServer(command => command.StartsWith("AUTH PLAIN", StringComparison.Ordinal)
            && Convert.FromBase64String(command[11..]).AsSpan().SequenceEqual("\0me\0wrong"u8) ? "535 5.7.8 no" : null);
        var smtp = new SmtpOptions("127.0.0.1", server.Port, SmtpSecurity.None, "me", password, TimeSpan.FromSeconds(30));
        var finding = Assert.Single(await SmtpProbe.TryAsync(smtp, TimeProvider.System, default));
        Assert.Equal((level, true), (finding.Level, finding.Says.Contains(says, StringComparison.Ordinal)));
        Assert.Equal(level != FindingLevel.Ok, finding.Fix is not null);
        Assert.DoesNotContain(password, finding.Says + finding.Fix);
        Assert.Empty(server.Taken);
        Assert.DoesNotContain(server.Commands, c => c.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Fact]
    public async Task It_signs_in_over_STARTTLS_and_refuses_a_certificate_that_nobody_trusts()
    {
        using var certificate = TestCertificate.Make();
        await using var server = new ScriptedSmtpServer(certificate: certificate);
        var smtp = new SmtpOptions("localhost", server.Port, SmtpSecurity.StartTls, "me", "secret", TimeSpan.FromSeconds(30));
        var fault = Assert.Single(await SmtpProbe.TryAsync(smtp, TimeProvider.System, default));
        Assert.Equal(FindingLevel.Fault, fault.Level);
        Assert.Contains("could not be encrypted", fault.Says);
        Assert.DoesNotContain(server.Commands, c => c.StartsWith("AUTH", StringComparison.Ordinal));
        Assert.Equal(FindingLevel.Ok, Assert.Single(await SmtpProbe.TryAsync(smtp with { AcceptInvalidCertificate = true }, TimeProvider.System, default)).Level);
        Assert.Contains(server.Commands, c => c.StartsWith("AUTH PLAIN", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_mail_server_without_STARTTLS_is_a_fault()
    {
        await using var server = new ScriptedSmtpServer();
        var finding = Assert.Single(await SmtpProbe.TryAsync(
            new SmtpOptions("127.0.0.1", server.Port, SmtpSecurity.StartTls, "me", "secret", TimeSpan.FromSeconds(30)), TimeProvider.System, default));
        Assert.Contains("does not offer STARTTLS", finding.Says);
    }

    [Fact]
    public async Task It_tells_what_the_DNS_says_of_the_senders_domain()
    {
        using var key = RSA.Create(2048);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, key.ExportPkcs8PrivateKeyPem());
        try
        {
            var published = "v=DKIM1; k=rsa; p=" + Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()) + "; n=" + new string('x', 300);
            await using var dns = new FakeDns(new()
            {
                ["good.example"] = ["v=spf1 mx -all", "something=else"],
                ["_dmarc.good.example"] = ["v=DMARC1; p=reject"],
                ["mails._domainkey.good.example"] = [published],
                ["sub.good.example"] = ["v=spf1 +all"],
                ["mails._domainkey.sub.good.example"] = ["v=DKIM1; p=MIIBotherkey"],
                ["bare.example"] = [],
                ["twice.example"] = ["v=spf1 -all", "v=spf1 mx -all"],
            });

            var good = await LookAsync("good.example", dns, file);
            Assert.All(good, f => Assert.Equal(FindingLevel.Ok, f.Level));
            Assert.Equal(3, good.Count);
            Assert.Equal(1, dns.TcpAnswers);

            // DMARC is that of the domain above.
            Assert.Equal(
                [FindingLevel.Warning, FindingLevel.Ok, FindingLevel.Fault], (await LookAsync("sub.good.example", dns, file)).Select(f => f.Level));
            var bare = await LookAsync("bare.example", dns, file);
            Assert.Equal([FindingLevel.Warning, FindingLevel.Warning, FindingLevel.Fault], bare.Select(f => f.Level));
            Assert.Contains(Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()), bare[2].Fix);
            Assert.DoesNotContain("PRIVATE", string.Concat(bare.Select(f => f.Says + f.Fix)));
            Assert.Equal(FindingLevel.Fault, (await LookAsync("twice.example", dns, file))[0].Level);
            Assert.Contains("don't know nowhere.example", Assert.Single(await LookAsync("nowhere.example", dns, file)).Says);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Without_a_name_server_it_says_so()
    {
        using var silent = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        var findings = await SenderDomain.LookAsync(
            Mails("good.example", null), new DnsClient([(IPEndPoint)silent.Client.LocalEndPoint!], TimeSpan.FromMilliseconds(100)), default);
        Assert.Contains("no name server answers", Assert.Single(findings).Says);
    }

    [Theory]
    [InlineData(0.5, FindingLevel.Ok)]
    [InlineData(-2.0, FindingLevel.Warning)]
    [InlineData(59.9, FindingLevel.Warning)]
    [InlineData(-60.0, FindingLevel.Fault)]
    public void A_skewed_clock_is_told(double seconds, FindingLevel level) =>
        Assert.Equal(level, DatabaseCheck.SkewFinding(Duration.FromSeconds(seconds)).Level);

    [Fact]
    public async Task A_database_is_looked_at_and_left_as_it_is()
    {
        var connectionString = await TestServer.NewDatabaseAsync();
        var folder = Directory.CreateTempSubdirectory("dunning-doctor-").FullName;
        try
        {
            string[] settings = ["--set", "ConnectionStrings:Dunning=" + connectionString, "--set", "Mail:Pickup=" + Path.Combine(folder, "mail")];
            var (code, findings) = await DoctorAsync([.. settings, "--set", "Database:Migrate=false"]);
            Assert.Equal(1, code);
            Assert.Equal(("fault", "run 'migrate' as the schema's owner"), Of(findings, "schema"));

            Assert.Equal(0, await CommandLine.RunAsync(["migrate", .. settings], TextWriter.Null, TextWriter.Null));
            (code, findings) = await DoctorAsync(settings);
            // The tests' server forgets what it was told in a crash: the doctor must not let that pass.
            Assert.Equal(1, code);
            Assert.Equal(
                ["fsync is off: a crash of its machine loses charges that were made", "synchronous_commit is off: a crash loses the last charges"],
                findings.Where(f => f.Level == "fault").Select(f => f.Says));
            Assert.Equal("ok", Of(findings, "schema").Level);
            Assert.Equal("ok", Of(findings, "clock").Level);
            // The tests' user owns everything.
            Assert.Equal("warning", Of(findings, "rights").Level);
            Assert.Equal("warning", Of(findings, "gateway").Level);
            Assert.Empty(Directory.GetFileSystemEntries(folder));
            await using var connection = new Npgsql.NpgsqlConnection(connectionString);
            await connection.OpenAsync();
            await using var command = new Npgsql.NpgsqlCommand("select count(*) from dunning.setting where key in ('gateway', 'rules')", connection);
            Assert.Equal(0L, await command.ExecuteScalarAsync());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task It_tries_the_gateways_key_whatever_the_database_is_like()
    {
        await using var stripe = await StandIn.StartAsync(() => Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow()));
        stripe.Keys["rk_test_51Narrow"] = null;
        var connectionString = await TestServer.NewDatabaseAsync();
        string[] database = ["--set", "ConnectionStrings:Dunning=" + connectionString];

        // No schema yet.
        await SaysAsync(StandIn.SecretKey, stripe.Url.ToString(), "ok", "stripe: takes the key; it is one of account acct_standin", null);
        await SaysAsync("sk_test_51Revoked", stripe.Url.ToString(), "fault", "stripe refuses Payments:Stripe:SecretKey: Stripe answers 401 api_key_invalid", "Make a new one at https://dashboard.stripe.com/apikeys");
        await SaysAsync("rk_test_51Narrow", stripe.Url.ToString(), "warning", "stripe does not tell whose key it is", "needs to read the account");
        await SaysAsync(StandIn.SecretKey, $"http://127.0.0.1:{FreePort.Take().ToString(System.Globalization.CultureInfo.InvariantCulture)}", "fault", "can't be asked at 127.0.0.1", "let this machine reach 127.0.0.1");

        // It belongs to another gateway: that has a fix of its own, and the key is tried all the same.
        Assert.Equal(0, await CommandLine.RunAsync(["migrate", .. database], TextWriter.Null, TextWriter.Null));
        await using (var connection = new Npgsql.NpgsqlConnection(connectionString))
        {
            await connection.OpenAsync();
            await using var command = new Npgsql.NpgsqlCommand("insert into dunning.setting (key, value) values ('gateway', 'sandbox'), ('rules', 'x')", connection);
            await command.ExecuteNonQueryAsync();
        }
        var findings = await SaysAsync("sk_test_51Revoked", stripe.Url.ToString(), "fault", "stripe refuses Payments:Stripe:SecretKey: Stripe answers 401 api_key_invalid", "not revoked");
        var bound = Assert.Single(findings, f => f.Area == "environment");
        Assert.Equal(("fault", "this database is bound to the gateway 'sandbox': it is never used with 'stripe test'"), (bound.Level, bound.Says));
        Assert.Contains("set Payments:Gateway and its key to what this one was made with", bound.Fix, StringComparison.Ordinal);
        Assert.DoesNotContain(findings, f => f.Fix?.Contains("pg_hba.conf", StringComparison.Ordinal) == true);

        async Task<IReadOnlyList<(string Area, string Level, string Says, string? Fix)>> SaysAsync(string key, string url, string level, string says, string? fix)
        {
            var (code, all) = await DoctorAsync([.. database, "--set", "Payments:Gateway=stripe", "--set", "Payments:Stripe:SecretKey=" + key, "--set", "Payments:Stripe:BaseUrl=" + url]);
            // The tests' own server is at fault for more.
            Assert.Equal(1, code);
            var found = Assert.Single(all, f => f.Area == "gateway");
            Assert.Equal(level, found.Level);
            Assert.Contains(says, found.Says, StringComparison.Ordinal);
            Assert.Contains(fix ?? "", found.Fix ?? "", StringComparison.Ordinal);
            Assert.DoesNotContain(key, found.Says + found.Fix, StringComparison.Ordinal);
            return all;
        }
    }

    [Fact]
    public async Task It_tries_GoCardlesss_token()
    {
        await using var server = await GoCardlessServer.StartAsync(() => Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow()));
        string[] settings = ["--set", "ConnectionStrings:Dunning=" + await TestServer.NewDatabaseAsync(), "--set", "Payments:Gateway=gocardless", "--set", "Payments:GoCardless:BaseUrl=" + server.Url];
        Assert.Equal("ok", Of((await DoctorAsync([.. settings, "--set", "Payments:GoCardless:AccessToken=" + GoCardlessServer.AccessToken])).Findings, "gateway").Level);
        Assert.Equal("fault", Of((await DoctorAsync([.. settings, "--set", "Payments:GoCardless:AccessToken=sandbox_RevokedRevokedRevoked"])).Findings, "gateway").Level);
    }

    [Fact]
    public async Task All_faults_of_the_settings_are_told_at_once()
    {
        var (code, findings) = await DoctorAsync(["--set", "Passes:BatchSize=0", "--set", "Payments:Gateway=strip", "--set", "Dunning:ChargeAtt=9"]);
        Assert.Equal(1, code);
        Assert.Equal(3, findings.Count);
        Assert.All(findings, f => Assert.True(f is { Area: "settings", Level: "fault" } && f.Fix is not null));
    }

    private static (string Level, string? Fix) Of(IReadOnlyList<(string Area, string Level, string Says, string? Fix)> findings, string area) =>
        Assert.Single(findings, f => f.Area == area) is var found ? (found.Level, found.Fix) : default;

    private static async Task<(int Code, IReadOnlyList<(string Area, string Level, string Says, string? Fix)> Findings)> DoctorAsync(string[] settings)
    {
        var output = new StringWriter();
        var code = await CommandLine.RunAsync(["doctor", "--json", .. settings], output, TextWriter.Null);
        return (code, [.. JsonDocument.Parse(output.ToString()).RootElement.EnumerateArray().Select(f => (
            f.GetProperty("area").GetString()!, f.GetProperty("level").GetString()!, f.GetProperty("says").GetString()!, f.GetProperty("fix").GetString()))]);
    }

    private static Task<IReadOnlyList<Finding>> LookAsync(string domain, FakeDns dns, string key) => SenderDomain.LookAsync(
        Mails(domain, new DkimOptions(domain, "mails", key)), new DnsClient([dns.EndPoint], TimeSpan.FromSeconds(30)), default);

    private static MailOptions Mails(string domain, DkimOptions? dkim) => new()
    {
        Transport = MailWay.Smtp,
        From = Mailbox.Find("billing@" + domain, null)!,
        Smtp = new SmtpOptions("mail." + domain, 587, SmtpSecurity.StartTls, null, null, TimeSpan.FromSeconds(5)) { Dkim = dkim },
    };
}
