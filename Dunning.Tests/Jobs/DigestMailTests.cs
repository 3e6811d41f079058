using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dunning.Tests.Mail;

namespace Dunning.Tests.Jobs;

/// <summary>A digest from the contact's wish to the message that a mail server takes.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class DigestMailTests
{
    [Fact]
    public async Task What_was_held_leaves_as_one_message_with_every_document()
    {
        await using var server = new ScriptedSmtpServer();
        await using var rig = await ServiceRig.NewAsync(1);
        string[] smtp =
        [
            "--set", "Mail:Transport=smtp", "--set", "Mail:From=billing@acme.example", "--set", "Mail:Smtp:Host=127.0.0.1",
            "--set", "Mail:Smtp:Port=" + server.Port.ToString(CultureInfo.InvariantCulture), "--set", "Mail:Smtp:Security=none",
        ];
        await RunAsync("act", "a1", "set_contact", "--email", "owner@a1.example", "--frequency", "weekly", "--locale", "en");
        await RunAsync("act", "a1", "credit", "--amount", "500");
        await RunAsync(["pass", "all", .. smtp]);

        Assert.Empty(server.Taken);
        var held = (await RunAsync("mail", "list", "--state", "held", "--json")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => JsonDocument.Parse(l).RootElement.GetProperty("template").GetString());
        Assert.Equal(["credit_issued", "receipt"], held.Order(StringComparer.Ordinal));
        var shown = await RunAsync("show", "a1");
        Assert.Contains("weekly digest of what is not urgent", shown, StringComparison.Ordinal);
        Assert.Contains("'receipt' to owner@a1.example, decided ", shown, StringComparison.Ordinal);
        Assert.Contains(": held for the next digest", shown, StringComparison.Ordinal);
        Assert.Matches(@"Mon \d+ \w+ \d{4}, 09:00 +mail 'digest' is handed to the mail server", shown);

        await RunAsync("act", "a1", "set_contact", "--email", "owner@a1.example", "--frequency", "at_once");
        await RunAsync(["pass", "mail", .. smtp]);

        var (_, to, data) = Assert.Single(server.Taken);
        Assert.Equal("owner@a1.example", to);
        Assert.Contains("\r\nSubject: 2 updates about Atelier\r\n", data, StringComparison.Ordinal);
        var text = TextOf(data);
        Assert.Matches(@"(?s)Hello Claire,.*one message as you asked.*— \d+ \w+ \d{4}: €5\.00 added to your credit\n\n.*— \d+ \w+ \d{4}: Receipt for your payment of €[\d.,]+\n\n.*Plan: .*Period: ", text);
        Assert.Equal(2, FileNames().Count(data));
        Assert.All(FileNames().Matches(data), m => Assert.Matches(@"^(invoice|receipt)-INV-\d{4}-000001\.pdf$", m.Groups[1].Value));
        Assert.Equal(2, Regex.Count(data, @"\r\n\r\nJVBERi0")); // "%PDF-"
        Assert.Equal("accepted 1, digested 2", await rig.ScalarAsync<string>(
            "select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) n from dunning.outbox group by state) s"));
        Assert.Equal("no such mail", (await RunAsync("mail", "list", "--state", "held")).Trim());

        async Task<string> RunAsync(params string[] args)
        {
            var (code, output, error) = await rig.CommandAsync(args);
            Assert.True(code == 0, error);
            return output;
        }
    }

    // The quoted-printable text part, decoded; as either transport writes it.
    private static string TextOf(string data)
    {
        var part = Regex.Match(data, @"(?s)Content-Type: text/plain.*?\r\n\r\n(.*?)\r\n--").Groups[1].Value.Replace("=\r\n", "", StringComparison.Ordinal);
        var bytes = new List<byte>();
        for (var i = 0; i < part.Length; i++)
        {
            bytes.Add(part[i] == '=' ? Convert.FromHexString(part.AsSpan(i + 1, 2))[0] : (byte)part[i]);
            i += part[i] == '=' ? 2 : 0;
        }
        return Encoding.UTF8.GetString([.. bytes]).ReplaceLineEndings("\n");
    }

    [GeneratedRegex("filename=\"?([^\"\r\n;]+)", RegexOptions.CultureInvariant)]
    private static partial Regex FileNames();
}
