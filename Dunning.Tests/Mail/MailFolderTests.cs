using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Model;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>A folder of the user's templates over the built-in ones.</summary>
public sealed class MailFolderTests : IDisposable
{
    private readonly Samples.Folder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_of_the_folder_wins_and_the_others_stay()
    {
        Write("fr/credit_issued.txt", "Subject: Un cadeau{{#if amount}} de {{amount}}{{/if}}\r\n\r\nPour {{account}} : {{amount}}, {{company}}.\r\n");
        Write("README.md", "not read");
        var texts = MailTexts.Load(_folder.Path);
        Assert.Equal("Un cadeau de 14,99\u00A0€", Compose(texts, MailTemplates.CreditIssued, "fr").Subject);
        Assert.Contains("Pour Atelier Mercier\u00A0: 14,99\u00A0€, Acme Cloud.", Compose(texts, MailTemplates.CreditIssued, "fr").Html, StringComparison.Ordinal);
        Assert.Equal(Samples.Compose(MailTemplates.CreditIssued, "en", Samples.Rich), Compose(texts, MailTemplates.CreditIssued, "en"));
        Assert.Equal(Samples.Compose(MailTemplates.Receipt, "fr", Samples.Rich), Compose(texts, MailTemplates.Receipt, "fr"));
    }

    [Fact]
    public void A_whole_language_is_a_folder()
    {
        foreach (var (path, text) in MailTexts.BuiltIn().Where(f => f.Key.StartsWith("en/", StringComparison.Ordinal)))
        {
            Write("de" + path[2..], text.Replace("Hello", "Guten Tag", StringComparison.Ordinal));
        }
        var texts = MailTexts.Load(_folder.Path);
        Assert.Equal(["de", "en", "fr"], texts.Languages);
        Assert.Contains("Guten Tag Ada Mercier,", Compose(texts, MailTemplates.Receipt, "de-AT").Html, StringComparison.Ordinal);
        Assert.Equal([], MailLint.FaultsOf(Compose(texts, MailTemplates.Receipt, "de"), Samples.Options));

        File.Delete(Path.Combine(_folder.Path, "de", "receipt.txt"));
        Assert.Equal([Path.Combine(_folder.Path, "de", "receipt.txt") + " is missing"], MailTexts.Find(_folder.Path).Faults.ToArray());
    }

    [Fact]
    public void Every_fault_is_found_at_start_up_with_file_and_line()
    {
        Write("fr/receipt.txt", "Subject: Reçu\n\nMerci.\n{{amout}}\n");
        Write("en/language.txt", MailTexts.BuiltIn()["en/language.txt"].Replace("act.pay =", "act.pya =", StringComparison.Ordinal));
        Write("en/recipt.txt", "Subject: x\n\ny\n");
        Write("layout.html", MailTexts.BuiltIn()["layout.html"].Replace("{{link}}", "#", StringComparison.Ordinal));
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mail:Templates"] = _folder.Path,
            ["Dunning:PurgeAfterDays"] = "1",
        }).Build();
        var faults = WorkerSettings.Read(configuration).Faults;
        Assert.Contains(faults, f => f.StartsWith(At("fr", "receipt.txt") + ":4: has {{amout}}, but the placeholders are account, amount,", StringComparison.Ordinal));
        Assert.Contains(At("fr", "receipt.txt") + ": lacks {{account}}, {{amount}}, {{byCredit}}, {{carried}}, which the built-in en/receipt.txt tells", faults);
        Assert.Contains(At("en", "language.txt") + ": act.pay is missing", faults);
        Assert.Contains(faults, f => f.StartsWith(At("en", "language.txt") + ":", StringComparison.Ordinal) && f.EndsWith("act.pya is unknown", StringComparison.Ordinal));
        Assert.Contains(faults, f => f.StartsWith(At("en", "recipt.txt") + " is no template", StringComparison.Ordinal));
        Assert.Contains(faults, f => f.StartsWith("Dunning:PurgeAfterDays", StringComparison.Ordinal));
    }

    [Fact]
    public void A_folder_that_is_not_there_and_a_file_that_is_no_text_are_told()
    {
        Assert.StartsWith("Mail:Templates is 'nowhere', but there is no such folder", Assert.Single(MailTexts.Find("nowhere").Faults), StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(_folder.Path, "fr"));
        File.WriteAllBytes(At("fr", "receipt.txt"), [0x53, 0xE9, 0x0A]);
        Assert.Equal([At("fr", "receipt.txt") + ": is not UTF-8"], MailTexts.Find(_folder.Path).Faults.ToArray());
    }

    private string At(string language, string file) => Path.Combine(_folder.Path, language, file);

    private void Write(string path, string text)
    {
        var file = Path.Combine([_folder.Path, .. path.Split('/')]);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    private static OutgoingMessage Compose(MailTexts texts, string template, string locale)
    {
        var recipient = Samples.To("ada@example.com", locale: locale);
        return new MailComposer(texts, Samples.Options, "inst-1").Compose(Samples.Account, Samples.Mail(template, Samples.Rich, recipient), recipient)!;
    }
}
