using System.Globalization;
using System.Text.Json;
using Dunning.Tests.Mail;

namespace Dunning.Tests.Jobs;

/// <summary>What an operator does about mails that a server has refused.</summary>
[Collection(nameof(ServiceRig))]
public sealed class OutboxCommandsTests
{
    [Fact]
    public async Task A_dead_mail_is_shown_and_sent_again_once()
    {
        var refuses = true;
        await using var server = new ScriptedSmtpServer(s => refuses && s.StartsWith("RCPT", StringComparison.Ordinal) ? "550 5.1.1 unknown" : null);
        await using var rig = await ServiceRig.NewAsync(1);
        string[] smtp =
        [
            "--set", "Mail:Transport=smtp", "--set", "Mail:From=billing@acme.example", "--set", "Mail:Smtp:Host=127.0.0.1",
            "--set", "Mail:Smtp:Port=" + server.Port.ToString(CultureInfo.InvariantCulture), "--set", "Mail:Smtp:Security=none",
        ];
        Assert.Equal((0, ""), await RunAsync(["pass", "all", .. smtp]));

        var (code, output, _) = await rig.CommandAsync("mail", "list", "--state", "dead", "--json");
        Assert.Equal(0, code);
        var row = JsonDocument.Parse(output).RootElement;
        Assert.Equal(("receipt", "dead", 1), (row.GetProperty("template").GetString(), row.GetProperty("state").GetString(), row.GetProperty("tries").GetInt32()));
        var (account, number) = (row.GetProperty("account").GetString()!, row.GetProperty("mail").GetInt32().ToString(CultureInfo.InvariantCulture));
        Assert.Contains($"{account} {number}  receipt  to ", (await rig.CommandAsync("mail", "list", "--account", account)).Output, StringComparison.Ordinal);
        Assert.Empty(server.Taken);

        // Not tried again by itself.
        refuses = false;
        Assert.Equal((0, ""), await RunAsync(["pass", "mail", .. smtp]));
        Assert.Empty(server.Taken);

        Assert.Equal((0, ""), await RunAsync(["mail", "resend", account, number]));
        Assert.Equal((0, ""), await RunAsync(["pass", "mail", .. smtp]));
        Assert.Single(server.Taken);
        Assert.Equal((1, $"account '{account}' has no dead mail {number}"), await RunAsync(["mail", "resend", account, number]));
        Assert.Equal((1, "there is no dead mail"), await RunAsync(["mail", "resend", "--all-dead"]));
        Assert.Equal(2, (await RunAsync(["mail", "resend", account])).Code);

        async Task<(int Code, string Error)> RunAsync(string[] args)
        {
            var (result, _, error) = await rig.CommandAsync(args);
            return (result, error.Trim());
        }
    }
}
