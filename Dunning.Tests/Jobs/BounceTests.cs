using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dunning.Tests.Mail;

namespace Dunning.Tests.Jobs;

/// <summary>Addresses that mail does not reach, from the server's word to what operators see and do.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class BounceTests
{
    [Fact]
    public async Task A_refused_address_is_listed_and_told_until_the_server_takes_it_again()
    {
        var refuses = true;
        await using var server = new ScriptedSmtpServer(s => refuses && s.StartsWith("RCPT", StringComparison.Ordinal) ? "550 5.1.1 <owner@a1.example> unknown" : null);
        await using var rig = await ServiceRig.NewAsync(1);
        await PassAsync(rig, server);

        var row = JsonDocument.Parse((await rig.CommandAsync("mail", "list", "--bouncing", "--json")).Output).RootElement;
        Assert.Equal(("a1", "owner@a1.example", "550 5.1.1 at recipient", true),
            (row.GetProperty("account").GetString(), row.GetProperty("email").GetString(), row.GetProperty("reason").GetString(), row.GetProperty("is_last").GetBoolean()));
        Assert.Contains("owner@a1.example: 550 5.1.1 at recipient; nobody else gets its mails", (await rig.CommandAsync("mail", "list", "--bouncing", "--account", "a1")).Output, StringComparison.Ordinal);
        Assert.Contains("(550 5.1.1 at recipient)", (await rig.CommandAsync("mail", "list", "--state", "dead")).Output, StringComparison.Ordinal);
        var shown = (await rig.CommandAsync("show", "a1")).Output;
        Assert.Contains("bounces since", shown, StringComparison.Ordinal);
        Assert.Contains("mail to owner@a1.example comes back (550 5.1.1 at recipient)", shown, StringComparison.Ordinal);
        Assert.Contains("none of the contacts can be reached by mail", shown, StringComparison.Ordinal);

        refuses = false;
        Assert.Equal(0, (await rig.CommandAsync("act", "a1", "credit", "--amount", "100")).Code);
        await PassAsync(rig, server);
        Assert.Single(server.Taken);
        Assert.Equal("no such contact", (await rig.CommandAsync("mail", "list", "--bouncing")).Output.Trim());
        Assert.Equal(2, (await rig.CommandAsync("mail", "list", "--account", "nobody")).Code);
    }

    [Fact]
    public async Task A_notification_counts_only_for_the_mail_that_it_returns()
    {
        await using var server = new ScriptedSmtpServer();
        await using var rig = await ServiceRig.NewAsync(2);
        await PassAsync(rig, server);
        var ids = server.Taken.ToDictionary(t => t.To, t => MessageId().Match(t.Data).Groups[1].Value);
        var folder = Directory.CreateDirectory(Path.Combine(rig.MailFolder, "bounces")).FullName;

        // Of a forger who knows the address, and of one who knows another's Message-ID.
        Assert.Equal((1, "x.eml: returns no mail that was sent from here to that address"), await BounceAsync(Report("owner@a1.example", "0123456789abcdef0123456789abcdef@acme.example")));
        Assert.Equal((1, "x.eml: returns no mail that was sent from here to that address"), await BounceAsync(Report("owner@a1.example", ids["owner@a2.example"], "owner@a1.example")));
        Assert.Equal((1, "x.eml: no delivery status notification"), await BounceAsync("Subject: on holiday\n\nsee you"));
        Assert.Equal((0, "x.eml: says nothing against the address (delayed 4.4.1)"), await BounceAsync(
            Report("owner@a1.example", ids["owner@a1.example"]).Replace("Action: failed\nStatus: 5.1.1", "Action: delayed\nStatus: 4.4.1", StringComparison.Ordinal)));
        Assert.Equal(0, await rig.ScalarAsync<int>("select count(*)::int from dunning.contact where bounced_at is not null"));

        Assert.Equal((0, "x.eml: account a1, contact 1, mail 1: 5.1.1"), await BounceAsync(Report("OWNER@a1.example", ids["owner@a1.example"])));
        Assert.Equal((0, "x.eml: account a1, contact 1, mail 1: 5.1.1, known already"), await BounceAsync(Report("owner@a1.example", ids["owner@a1.example"])));
        Assert.Contains("a1  owner@a1.example: 5.1.1 reported", (await rig.CommandAsync("mail", "list", "--bouncing")).Output, StringComparison.Ordinal);
        Assert.Equal("done", (await rig.CommandAsync("mail", "reachable", "a1", "owner@a1.example")).Output.Trim());
        Assert.Equal("it was not marked as bouncing", (await rig.CommandAsync("mail", "reachable", "a1", "owner@a1.example")).Output.Trim());
        Assert.Equal(2, (await rig.CommandAsync("mail", "reachable", "a1", "nobody@a1.example")).Code);

        // Forwarded: the address that failed is another than the one it was sent to.
        await DropAsync("new/1764.M1.mx", Report("else@where.example", ids["owner@a2.example"]));
        await DropAsync("hello.eml", "Subject: hello\n\n");
        await DropAsync(".draft", "half a mess");
        await PassAsync(rig, server, "--set", "Mail:BounceFolder=" + folder);
        Assert.Equal("a2", await rig.ScalarAsync<string>("select account_id from dunning.contact where bounced_at is not null"));
        Assert.Equal([".draft", Path.Combine("unused", "hello.eml")], Directory.GetFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(f => Path.GetRelativePath(folder, f)).Order(StringComparer.Ordinal));

        // A second of the same name loses the first no more than itself.
        await DropAsync("hello.eml", "Subject: hello again\n\n");
        await PassAsync(rig, server, "--set", "Mail:BounceFolder=" + folder);
        Assert.Equal(["hello.eml", "hello.eml.2"], Directory.GetFiles(Path.Combine(folder, "unused")).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        // One that can't be put away holds up no other.
        folder = Directory.CreateDirectory(Path.Combine(rig.MailFolder, "others")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "unused"), "no folder");
        await DropAsync("a.eml", "Subject: hello\n\n");
        await DropAsync("new/1764.M2.mx", Report("owner@a1.example", ids["owner@a1.example"]));
        await PassAsync(rig, server, "--set", "Mail:BounceFolder=" + folder);
        Assert.Equal(2, await rig.ScalarAsync<int>("select count(*)::int from dunning.contact where bounced_at is not null"));
        Assert.True(File.Exists(Path.Combine(folder, "a.eml")));

        async Task<(int Code, string Output)> BounceAsync(string message)
        {
            var path = Path.Combine(rig.MailFolder, "x.eml");
            await File.WriteAllTextAsync(path, message);
            var (code, output, error) = await rig.CommandAsync("mail", "bounce", path);
            Assert.Equal("", error);
            return (code, output.Trim());
        }

        async Task DropAsync(string name, string message)
        {
            var path = Path.Combine(folder, name.Replace('/', Path.DirectorySeparatorChar));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, message);
            File.SetLastWriteTimeUtc(path, TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(-1));
        }
    }

    // What the one unknowable case comes to: told, tried again, the same message.
    [Fact]
    public async Task A_mail_without_an_answer_is_counted_and_sent_again_as_the_same()
    {
        var cuts = true;
        await using var server = new ScriptedSmtpServer(s => s == "." && cuts ? ScriptedSmtpServer.Cut : null);
        await using var rig = await ServiceRig.NewAsync(1);
        await PassAsync(rig, server);
        Assert.Equal("pending", await rig.ScalarAsync<string>("select state from dunning.outbox"));
        Assert.Contains("may have arrived", (await rig.CommandAsync("mail", "list", "--state", "pending")).Output, StringComparison.Ordinal);
        cuts = false;
        await rig.ScalarAsync<int>("update dunning.outbox set next_try_at = decided_at; update dunning.due set at = at - interval '1 hour' where pass = 'mail'; select 1");
        await PassAsync(rig, server);
        Assert.Equal(("accepted", null), (await rig.ScalarAsync<string>("select state from dunning.outbox"), await rig.ScalarAsync<string?>("select detail from dunning.outbox")));
    }

    private static async Task PassAsync(ServiceRig rig, ScriptedSmtpServer server, params string[] more)
    {
        var (code, _, error) = await rig.CommandAsync(
        [
            "pass", "all", "--set", "Mail:Transport=smtp", "--set", "Mail:From=billing@acme.example", "--set", "Mail:Smtp:Host=127.0.0.1",
            "--set", "Mail:Smtp:Port=" + server.Port.ToString(CultureInfo.InvariantCulture), "--set", "Mail:Smtp:Security=none", .. more,
        ]);
        Assert.Equal((0, ""), (code, error));
    }

    private static string Report(string address, string messageId, string to = "owner@a2.example") =>
        $"""
        Content-Type: multipart/report; report-type=delivery-status; boundary=b

        --b
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.example

        Final-Recipient: rfc822; {address}
        Action: failed
        Status: 5.1.1

        --b
        Content-Type: text/rfc822-headers

        Message-ID: <{messageId}>
        To: {to}

        --b--
        """.ReplaceLineEndings("\n");

    [GeneratedRegex(@"Message-ID: <([^>]+)>", RegexOptions.IgnoreCase)]
    private static partial Regex MessageId();
}
