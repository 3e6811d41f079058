using System.Text;
using Dunning.Mail;

namespace Dunning.Tests.Commands;

/// <summary><c>mail preview|send|lint</c>, as their writers type them.</summary>
public sealed class MailCommandTests : IDisposable
{
    private readonly Mail.Samples.Folder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Preview_All_WritesEveryCaseInEveryLanguageAndAnIndexOfThem()
    {
        var (code, output, error) = await TourBook.RunAsync("mail", "preview", "--out", _folder.Path, "--set", "Mail:Company=Acme & Co");

        Assert.Equal((0, ""), (code, error));
        Assert.Contains($"{MailSamples.All.Length * 2} mails (en, fr): open {Path.Combine(_folder.Path, "index.html")}", output, StringComparison.Ordinal);
        foreach (var language in new[] { "en", "fr" })
        {
            Assert.Equal(MailSamples.All.Length * 3, Directory.GetFiles(Path.Combine(_folder.Path, language)).Length);
        }
        var index = await File.ReadAllTextAsync(Path.Combine(_folder.Path, "index.html"));
        Assert.All(MailSamples.All, s => Assert.Contains($"href=\"fr/{s.Name}.html\"", index, StringComparison.Ordinal));
        Assert.Contains("Acme &amp; Co", await File.ReadAllTextAsync(Path.Combine(_folder.Path, "en", "receipt.html")), StringComparison.Ordinal);
        Assert.Contains("Auto-Submitted: auto-generated", await File.ReadAllTextAsync(Path.Combine(_folder.Path, "en", "receipt.eml")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Preview_OneInOneLanguage_WritesItsCasesAndTheSameBytesAgain()
    {
        string[] args = ["mail", "preview", "payment_failed", "--locale", "fr-CA", "--out", _folder.Path];
        Assert.Equal(0, (await TourBook.RunAsync(args)).Code);
        var first = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).ToDictionary(f => f, File.ReadAllBytes);
        Assert.Equal((MailSamples.All.Count(s => s.Template == "payment_failed") * 3) + 1, first.Count);
        Assert.Equal(0, (await TourBook.RunAsync(args)).Code);
        Assert.All(first, f => Assert.Equal(f.Value, File.ReadAllBytes(f.Key)));
    }

    [Theory]
    [InlineData("no such template", "mail", "preview", "recipt")]
    [InlineData("--locale is 'de', but there is no folder of templates for it, only for en, fr", "mail", "preview", "--locale", "de")]
    [InlineData("--to is 'Ada <a@b.example>', but must be a bare address", "mail", "send", "receipt", "--to", "Ada <a@b.example>")]
    [InlineData("Mail:Colors:Accent is 'red'", "mail", "lint", "--set", "Mail:Colors:Accent=red")]
    public async Task WhatCannotBeDone_IsToldWithExitCode2(string told, params string[] args)
    {
        var (code, output, error) = await TourBook.RunAsync(args);

        Assert.Equal(2, code);
        Assert.Contains(told == "no such template" ? "recipt" : told, output + error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_GoesByTheConfiguredTransportEachTimeAnew()
    {
        string[] args = ["mail", "send", "payment_failed-authentication", "--to", "me@example.com", "--locale", "fr", "--set", "Mail:Pickup=" + _folder.Path];

        var (code, output, error) = await TourBook.RunAsync(args);
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith($"sent by pickup into {_folder.Path}: 'Votre paiement de", output, StringComparison.Ordinal);
        Assert.Equal(0, (await TourBook.RunAsync(args)).Code);

        var files = Directory.GetFiles(_folder.Path, "*.eml");
        Assert.Equal(2, files.Length);
        Assert.Contains("To: me@example.com", Encoding.ASCII.GetString(await File.ReadAllBytesAsync(files[0])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_WhereNobodyAnswers_FailsWithTheServerAndWithoutTheAddress()
    {
        var (code, _, error) = await TourBook.RunAsync("mail", "send", "receipt", "--to", "me@example.com", "--set", "Mail:Transport=smtp",
            "--set", "Mail:From=b@example.com", "--set", "Mail:Smtp:Host=127.0.0.1", "--set", "Mail:Smtp:Port=1", "--set", "Mail:Smtp:Security=none");

        Assert.Equal(2, code);
        Assert.Contains("not sent by 127.0.0.1:1 (None)", error, StringComparison.Ordinal);
        Assert.DoesNotContain("me@example.com", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lint_OfAFolder_TellsFileAndLineWithExitCode1()
    {
        Directory.CreateDirectory(Path.Combine(_folder.Path, "fr"));
        var file = Path.Combine(_folder.Path, "fr", "receipt.txt");
        await File.WriteAllTextAsync(file, "Subject: Reçu {{account}}{{amount}}{{byCredit}}\n\n{{> details}}\n{{{link}}}\n");

        var (code, _, error) = await TourBook.RunAsync("mail", "lint", _folder.Path);

        Assert.Equal(1, code);
        Assert.Contains(file + ":4: has ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lint_OfTheBuiltInMails_FindsNothing()
    {
        var (code, output, error) = await TourBook.RunAsync("mail", "lint");

        Assert.Equal((0, ""), (code, error));
        Assert.Contains("21 mails in en, fr", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mail", "--help")]
    [InlineData("mail", "preview", "--help")]
    [InlineData("mail", "send", "--help")]
    [InlineData("mail", "lint", "--help")]
    public async Task Help_ShowsAnExample(params string[] args)
    {
        var (code, output, _) = await TourBook.RunAsync(args);

        Assert.Equal(0, code);
        Assert.Contains("  dunning mail ", output, StringComparison.Ordinal);
    }
}
