using System.Xml.Linq;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Rules;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>The page beside the text: the same words, safe from what is in names, and readable wherever it is opened.</summary>
public sealed class MailPageTests
{
    private static readonly MailOptions s_full = Samples.Options with
    {
        Look = new MailLook
        {
            Accent = MailColor.Find("#0f766e")!.Value,
            LogoUrl = "https://acme.example/logo.png?a=1&b=2",
            LogoAlt = "Acme \"Cloud\"",
            Support = "help@acme.example",
            Footer = ["Acme <Cloud> SAS & Co", "1 rue de la Paix"],
        },
    };

    public static TheoryData<string, string> EveryMail() => MailTextsTests.EveryMail();

    // Would miss: a page that says less than its text, two buttons, a colour nobody can read, a picture from elsewhere, in any mail.
    [Theory, MemberData(nameof(EveryMail))]
    public void A_page_says_what_its_text_says_and_can_be_read(string template, string language)
    {
        foreach (var facts in new[] { Samples.Rich, Samples.Poor, Samples.Rich with { Amount = 0, ByCredit = true, NextAttemptOn = null } })
        {
            foreach (var options in new[] { Samples.Options, Samples.PoorOptions, s_full, s_full with { Look = s_full.Look with { Support = "https://acme.example/help" } } })
            {
                foreach (var name in new[] { "Ada Mercier", "" })
                {
                    Assert.Equal([], MailLint.FaultsOf(Samples.Compose(template, language, facts, options, name), options));
                }
            }
        }
    }

    [Fact]
    public void Every_sample_of_the_built_in_mails_is_without_fault()
    {
        Assert.Empty(MailLint.Check(Samples.Texts, Samples.PoorOptions));
        Assert.Empty(MailLint.Check(Samples.Texts, s_full));
        Assert.Equal(MailTemplates.All, MailSamples.All.Select(s => s.Template).Distinct());
        Assert.Equal(MailSamples.All.Length, MailSamples.All.Select(s => s.Name).Distinct().Count());
    }

    // Would miss: a table in a paragraph, which HTML has not, and words that run on below it.
    [Theory, MemberData(nameof(EveryMail))]
    public void The_table_of_details_stands_by_itself(string template, string language)
    {
        var message = Samples.Compose(template, language, Samples.Rich);
        Assert.DoesNotMatch("<p[^>]*>\\s*<table", message.Html!);
        var lines = message.Text.Split('\n');
        var last = Array.FindLastIndex(lines, l => l.EndsWith(" 4242", StringComparison.Ordinal) && l.Contains(':', StringComparison.Ordinal));
        if (last >= 0)
        {
            Assert.Equal("", lines[last + 1]);
        }
    }

    // Would miss: a digest whose end mailboxes hide, or one that says of its mails less than they would have said by themselves.
    [Fact]
    public void The_largest_digest_is_shown_whole_and_says_all_that_its_mails_would_have_said()
    {
        var facts = Samples.Rich with { Plan = new string('W', 200), Amount = 123_456_789 };
        var recipient = Samples.To("ada@example.com");
        var digest = Samples.Mail(MailTemplates.Digest, new MailFacts(), recipient) with
        {
            Facts = new MailFacts { Items = [.. Enumerable.Range(0, Digesting.MaxItems).Select(_ => new DigestItem(MailTemplates.Receipt, Samples.DecidedAt, facts))] },
        };
        var message = Samples.Composer(s_full).Compose(Samples.Account, digest, recipient)!;
        Assert.Equal([], MailLint.FaultsOf(message, s_full));
        Assert.Equal("25 updates about Atelier Mercier", message.Subject);

        var each = Samples.Compose(MailTemplates.Digest, "fr", Samples.Rich);
        Assert.All(MailTemplates.NotUrgent, template =>
        {
            var alone = Samples.Compose(template, "fr", Samples.Rich);
            Assert.Contains($"— 3 mars 2026\u00A0: {alone.Subject}\n\n", each.Text, StringComparison.Ordinal);
            var own = alone.Text.Split("\n\n")[1..^3]; // without the greeting, the thing to do, the questions and the company
            Assert.Contains(string.Join("\n\n", own), each.Text, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData("<img src=x onerror=alert(1)>")]
    [InlineData("\"><script>alert('1')</script>")]
    [InlineData("Smith & Sons' \"Best\" `x`=1")]
    [InlineData("&lt;b&gt; &amp;")]
    [InlineData("{{{link}}} {{#each rows}}")]
    [InlineData("</title></head><h1>x")]
    public void What_stands_in_a_name_is_text(string name)
    {
        var facts = Samples.Rich with { Plan = name, NewPlan = name, CardBrand = name };
        var account = Samples.Account with { Name = name };
        foreach (var template in MailTemplates.All)
        {
            var recipient = Samples.To("ada@example.com", name);
            var message = Samples.Composer(s_full).Compose(account, Samples.Mail(template, facts, recipient), recipient)!;
            Assert.Equal([], MailLint.FaultsOf(message, s_full));
            var page = XDocument.Parse(message.Html!.Replace("<!DOCTYPE html>", "", StringComparison.Ordinal));
            Assert.Contains(page.Descendants("p"), p => p.Value == $"Hello {name},");
            Assert.Empty(page.Descendants("script"));
            Assert.Single(page.Descendants("img"));
            Assert.Contains($"Hello {name},", message.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Direction_marks_and_line_breaks_of_a_name_reach_neither_part()
    {
        var message = Samples.Compose(MailTemplates.PaymentFailed, "en", Samples.Rich, name: "Ada\u202E\u2066\r\nBcc: x\u200F");
        Assert.DoesNotMatch("[\u202A-\u202E\u2066-\u2069\u200E\u200F]", message.Html! + message.Text);
        Assert.Contains("Hello Ada Bcc: x,", message.Html, StringComparison.Ordinal);
    }

    [Fact]
    public void It_has_one_button_a_preheader_a_title_and_a_dark_side()
    {
        var message = Samples.Compose(MailTemplates.PaymentFailed, "fr", Samples.Rich, s_full);
        var page = XDocument.Parse(message.Html!.Replace("<!DOCTYPE html>", "", StringComparison.Ordinal));
        var button = Assert.Single(page.Descendants("a"), a => a.Attribute("class")?.Value == "press");
        Assert.Equal(("Mettre à jour votre moyen de paiement", "https://acme.example/billing?a=acc%201%2F%C3%A9"), (button.Value, button.Attribute("href")!.Value));
        Assert.StartsWith("background-color:#0f766e", button.Parent!.Attribute("style")!.Value, StringComparison.Ordinal);
        Assert.Equal("fr", page.Root!.Attribute("lang")!.Value);
        Assert.Equal(message.Subject, page.Descendants("title").Single().Value);
        var hidden = page.Descendants("div").First();
        Assert.StartsWith("Nous n'avons pas pu encaisser votre paiement", hidden.Value, StringComparison.Ordinal);
        Assert.Contains("display:none", hidden.Attribute("style")!.Value, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", message.Html!, StringComparison.Ordinal);
        Assert.Contains("max-width:600px", message.Html!, StringComparison.Ordinal);
        var logo = page.Descendants("img").Single();
        Assert.Equal(("https://acme.example/logo.png?a=1&b=2", "Acme \"Cloud\"", "140"),
            (logo.Attribute("src")!.Value, logo.Attribute("alt")!.Value, logo.Attribute("width")!.Value));
        Assert.Contains("mailto:help@acme.example", message.Html!, StringComparison.Ordinal);
        Assert.Contains("Acme <Cloud> SAS & Co\n1 rue de la Paix\n", message.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<p style=\"margin:0 0 16px\">{{hello}}</p>", "", "the page says 'We could not")]
    [InlineData("color:#14171c;font-size:22px", "color:#bbbbbb;font-size:22px", "<h1> has text in #bbbbbb on #ffffff: a contrast of 1.9")]
    [InlineData(".title { color: #ffffff", ".title { color: #22262e", "<h1> has text in #22262e on #1b1e24: a contrast of 1.")]
    [InlineData(".title { color: #ffffff", ".title { color: white", "color:white can't be checked")]
    [InlineData("alt=\"{{logoAlt}}\"", "", "an <img> has no alt text")]
    [InlineData("{{{questions}}}", "{{{questions}}}<img src=\"https://t.example/p.gif\" alt=\"x\" />", "src=\"https://t.example/p.gif\" is loaded from elsewhere")]
    [InlineData("{{{questions}}}", "{{{questions}}}<a href=\"https://acme.example/b\">Or this</a>", "there is more than one thing to click")]
    [InlineData("href=\"{{link}}\"", "href=\"/billing\"", "a link goes to '/billing'")]
    [InlineData("</h1>", "", "the page is not well-formed at line")]
    [InlineData("<title>{{subject}}</title>", "<title>Mail</title>", "the page must have the subject as its <title>")]
    [InlineData("lang=\"{{language}}\" dir", "lang=\"de\" dir", "<html> must have lang=\"en\"")]
    [InlineData("</body>", "<script>1</script></body>", "<script> has no place in a mail")]
    [InlineData("background-color:#eceef2;-webkit", "background:url(https://x.example/b.png);-webkit", "a style loads something")]
    public void Lint_finds_what_a_layout_gets_wrong(string part, string instead, string fault)
    {
        var files = MailTexts.BuiltIn();
        Assert.Contains(part, files["layout.html"], StringComparison.Ordinal);
        files["layout.html"] = files["layout.html"].Replace(part, instead, StringComparison.Ordinal);
        Assert.Contains(MailLint.FaultsOf(Compose(files), s_full), f => f.Contains(fault, StringComparison.Ordinal));
    }

    [Fact]
    public void Lint_finds_a_page_that_mailboxes_cut_off()
    {
        var files = MailTexts.BuiltIn();
        files["en/payment_failed.txt"] += "\n" + new string('x', MailLint.MaxBytes) + "\n";
        Assert.Matches(@"^the page has \d+ bytes, but mailboxes cut it off beyond 100000$", Assert.Single(MailLint.FaultsOf(Compose(files), s_full)));
    }

    private static OutgoingMessage Compose(Dictionary<string, string> files)
    {
        var recipient = Samples.To("ada@example.com");
        return new MailComposer(MailTexts.Read(files).Texts!, s_full, "i")
            .Compose(Samples.Account, Samples.Mail(MailTemplates.PaymentFailed, Samples.Rich, recipient), recipient)!;
    }
}
