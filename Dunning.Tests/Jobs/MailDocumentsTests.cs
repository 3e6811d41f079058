using System.Text;
using System.Text.RegularExpressions;
using Dapper;

namespace Dunning.Tests.Jobs;

/// <summary>What a paid renewal mails, from the due row to the files in the pickup directory.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class MailDocumentsTests
{
    [Fact]
    public async Task A_receipt_carries_invoice_and_receipt_and_is_the_same_message_when_sent_again()
    {
        await using var rig = await ServiceRig.NewAsync(1);
        var (code, _, error) = await rig.CommandAsync("pass", "all", "--set", "Mail:Pickup=" + rig.MailFolder);
        Assert.True(code == 0, error);
        var file = Assert.Single(Directory.GetFiles(rig.MailFolder));
        var first = await File.ReadAllBytesAsync(file);
        var text = Encoding.ASCII.GetString(first);
        Assert.Contains("multipart/mixed", text, StringComparison.Ordinal);
        Assert.Contains("multipart/alternative", text, StringComparison.Ordinal);
        var names = FileNames().Matches(text).Select(m => m.Groups[1].Value).ToArray();
        Assert.Equal(2, names.Length);
        Assert.All(names, n => Assert.EndsWith(".pdf", n, StringComparison.Ordinal));
        Assert.Equal(2, Regex.Count(text, @"\r\n\r\nJVBERi0")); // "%PDF-"
        Assert.Equal(2, await rig.ScalarAsync<int>("select count(*) from dunning.document"));

        // As after a death between the mail server's yes and our commit.
        await using (var connection = await rig.Database.Source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync("update dunning.outbox set state = 'pending', settled_at = null, next_try_at = decided_at");
            await connection.ExecuteAsync("insert into dunning.due (account_id, pass, at) select account_id, 'mail', decided_at from dunning.outbox");
        }
        File.Delete(file);
        (code, _, error) = await rig.CommandAsync("pass", "mail", "--set", "Mail:Pickup=" + rig.MailFolder);
        Assert.True(code == 0, error);
        Assert.Equal(first, await File.ReadAllBytesAsync(file));
        Assert.Equal(2, await rig.ScalarAsync<int>("select count(*) from dunning.document"));
    }

    [GeneratedRegex("filename=\"([^\"]+)\"", RegexOptions.CultureInvariant)]
    private static partial Regex FileNames();
}
