using System.Text.RegularExpressions;
using Dunning.Mail;
using Dunning.Model;
using NodaTime;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>Every mail in every language, with all facts and with none.</summary>
public sealed class MailTextsTests
{
    private const char Nbsp = '\u00A0';

    public static TheoryData<string, string> EveryMail()
    {
        var mails = new TheoryData<string, string>();
        foreach (var template in MailTemplates.All)
        {
            foreach (var language in Samples.Texts.Languages)
            {
                mails.Add(template, language);
            }
        }
        return mails;
    }

    [Fact]
    public void English_and_French_are_there() => Assert.Equal(["en", "fr"], Samples.Texts.Languages);

    [Theory, MemberData(nameof(EveryMail))]
    public void A_mail_reads_well_with_all_facts_and_with_none(string template, string language)
    {
        foreach (var facts in new[] { Samples.Rich, Samples.Poor, Samples.Rich with { NextAttemptOn = null, SuspendsOn = null, CardLast4 = null } })
        {
            foreach (var options in new[] { Samples.Options, Samples.PoorOptions })
            {
                foreach (var name in new[] { "Ada Mercier", "" })
                {
                    AssertReadsWell(Samples.Compose(template, language, facts, options, name));
                }
            }
        }
    }

    [Theory, MemberData(nameof(EveryMail))]
    public void A_mail_has_one_link_and_none_when_none_is_configured(string template, string language)
    {
        var with = Samples.Compose(template, language, Samples.Rich).Text;
        var without = Samples.Compose(template, language, Samples.Rich, Samples.PoorOptions).Text;
        Assert.Equal(template == MailTemplates.AccountPurged ? 0 : 1, Regex.Count(with, Regex.Escape("https://acme.example/billing?a=acc%201%2F%C3%A9")));
        Assert.DoesNotContain("http", without, StringComparison.OrdinalIgnoreCase);
        if (template != MailTemplates.AccountPurged)
        {
            Assert.Contains(language == "fr" ? "connectez-vous" : "sign in", without, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("fraudulent")]
    [InlineData("lost_card")]
    [InlineData("stolen_card")]
    [InlineData("pickup_card")]
    [InlineData("merchant_blacklist")]
    [InlineData("a_code_of_tomorrow")]
    public void No_mail_tells_fraud_theft_or_loss(string code)
    {
        foreach (var language in Samples.Texts.Languages)
        {
            foreach (var template in MailTemplates.All)
            {
                var told = Samples.Compose(template, language, Samples.Rich with { Code = code });
                Assert.DoesNotMatch(@"(?i)\b(fraud\w*|theft|stolen|lost|black\w*|picku\w*|suspect\w*|vol|volée?|perdue?|opposition)\b",
                    told.Subject + "\n" + told.Text);
                Assert.Equal(Samples.Compose(template, language, Samples.Rich with { Code = "generic_decline" }).Text, told.Text);
            }
        }
    }

    [Theory]
    [InlineData("insufficient_funds", "There was not enough money", "La somme n'était pas disponible")]
    [InlineData("expired_card", "The card has expired", "La carte a expiré")]
    [InlineData("authentication_required", "asks you to confirm this payment", "demande de confirmer vous-même ce paiement")]
    [InlineData("no_payment_method", "no payment method that we could charge", "aucun moyen de paiement à débiter")]
    [InlineData("hard_decline", "declined for good", "refusé définitivement")]
    [InlineData("generic_decline", "Your bank declined the payment", "Votre banque a refusé le paiement")]
    public void A_failed_payment_says_why_in_human_words(string code, string english, string french)
    {
        foreach (var template in new[] { MailTemplates.PaymentFailed, MailTemplates.SuspensionWarning, MailTemplates.AccountSuspended })
        {
            Assert.Contains(english, Samples.Compose(template, "en", Samples.Rich with { Code = code }).Text, StringComparison.Ordinal);
            Assert.Contains(french, Samples.Compose(template, "fr", Samples.Rich with { Code = code }).Text, StringComparison.Ordinal);
            Assert.DoesNotContain(code, Samples.Compose(template, "en", Samples.Rich with { Code = code }).Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("authentication_required", "Confirm the payment: https", "Confirmer le paiement\u00A0: https")]
    [InlineData("no_payment_method", "Add a payment method: https", "Ajouter un moyen de paiement\u00A0: https")]
    [InlineData("expired_card", "Update your payment method: https", "Mettre à jour votre moyen de paiement\u00A0: https")]
    public void What_to_do_depends_on_why_it_failed(string code, string english, string french)
    {
        Assert.Contains(english, Samples.Compose(MailTemplates.PaymentFailed, "en", Samples.Rich with { Code = code }).Text, StringComparison.Ordinal);
        Assert.Contains(french, Samples.Compose(MailTemplates.PaymentFailed, "fr", Samples.Rich with { Code = code }).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("en", "€14.99", "5 March 2026", "1 April 2026", "Visa ending in 4242", "3 March 2026 to 2 April 2026")]
    [InlineData("fr", "14,99\u00A0€", "5 mars 2026", "1er avril 2026", "Visa se terminant par 4242", "du 3 mars 2026 au 2 avril 2026")]
    public void A_failed_payment_tells_amount_dates_card_and_period(
        string language, string amount, string next, string suspension, string card, string period)
    {
        var mail = Samples.Compose(MailTemplates.PaymentFailed, language, Samples.Rich);
        Assert.Contains(amount, mail.Subject, StringComparison.Ordinal);
        Assert.All(new[] { amount, next, suspension, card, period, "Solo, monthly", "Atelier Mercier" },
            part => Assert.Contains(part, mail.Text, StringComparison.Ordinal));
    }

    [Fact]
    public void The_last_failure_promises_no_other_attempt()
    {
        var last = Samples.Rich with { NextAttemptOn = null };
        Assert.DoesNotContain("try again", Samples.Compose(MailTemplates.PaymentFailed, "en", last).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("de nouveau", Samples.Compose(MailTemplates.PaymentFailed, "fr", last).Text, StringComparison.Ordinal);
        Assert.Contains("won't try this payment again by ourselves",
            Samples.Compose(MailTemplates.AccountSuspended, "en", Samples.Rich).Text, StringComparison.Ordinal);
        Assert.Contains("Nous ne présenterons plus ce paiement",
            Samples.Compose(MailTemplates.AccountSuspended, "fr", Samples.Rich).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("5 March", Samples.Compose(MailTemplates.AccountSuspended, "en", Samples.Rich).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(MailTemplates.SuspensionWarning, "1 April 2026", "1er avril 2026", true)]
    [InlineData(MailTemplates.AccountSuspended, "30 June 2026", "30 juin 2026", false)]
    [InlineData(MailTemplates.PurgeWarning, "30 June 2026", "30 juin 2026", true)]
    [InlineData(MailTemplates.RenewalUpcoming, "3 April 2026", "3 avril 2026", true)]
    [InlineData(MailTemplates.SubscriptionExpiring, "3 April 2026", "3 avril 2026", true)]
    [InlineData(MailTemplates.CancellationScheduled, "3 April 2026", "3 avril 2026", true)]
    [InlineData(MailTemplates.CardExpiring, "3 April 2026", "3 avril 2026", false)]
    [InlineData(MailTemplates.AccessGranted, "10 March 2026 at 09:30 (Europe/Paris)", "10 mars 2026 à 09:30 (Europe/Paris)", true)]
    public void A_mail_about_a_date_names_it(string template, string english, string french, bool inSubject)
    {
        foreach (var (language, date) in new[] { ("en", english), ("fr", french) })
        {
            var mail = Samples.Compose(template, language, Samples.Rich);
            Assert.Contains(date, mail.Text, StringComparison.Ordinal);
            if (inSubject)
            {
                Assert.Contains(date, mail.Subject, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData(MailTemplates.Receipt)]
    [InlineData(MailTemplates.PaymentRecovered)]
    [InlineData(MailTemplates.CreditIssued)]
    [InlineData(MailTemplates.RenewalUpcoming)]
    [InlineData(MailTemplates.SuspensionWarning)]
    [InlineData(MailTemplates.AccountSuspended)]
    public void A_mail_about_money_names_it(string template)
    {
        Assert.Contains("€14.99", Samples.Compose(template, "en", Samples.Rich).Text, StringComparison.Ordinal);
        Assert.Contains($"14,99{Nbsp}€", Samples.Compose(template, "fr", Samples.Rich).Text, StringComparison.Ordinal);
        Assert.Contains("¥1,499", Samples.Compose(template, "en", Samples.Rich with { Currency = "JPY" }).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(MailTemplates.PurgeWarning)]
    [InlineData(MailTemplates.AccessGranted)]
    [InlineData(MailTemplates.PaymentMethodUpdated)]
    [InlineData(MailTemplates.AccountReactivated)]
    [InlineData(MailTemplates.AccountSuspended)]
    public void A_mail_to_who_owes_names_all_that_is_unpaid(string template)
    {
        Assert.Contains("€42.98", Samples.Compose(template, "en", Samples.Rich).Text, StringComparison.Ordinal);
        Assert.Contains($"42,98{Nbsp}€", Samples.Compose(template, "fr", Samples.Rich).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_credit_has_paid_tells_of_no_payment()
    {
        foreach (var language in Samples.Texts.Languages)
        {
            var mail = Samples.Compose(MailTemplates.Receipt, language, Samples.Rich with { Amount = 0 });
            AssertReadsWell(mail);
            Assert.DoesNotMatch("€|4242", mail.Subject + mail.Text);
            Assert.Contains(language == "fr" ? "Votre avoir l'a réglé" : "Your credit has paid", mail.Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("fr-CA", "fr")]
    [InlineData("FR", "fr")]
    [InlineData("fr_BE", "fr")]
    [InlineData("en-GB", "en")]
    [InlineData("de", "en")]
    [InlineData("", "en")]
    [InlineData("french", "en")]
    public void A_locale_has_a_language(string locale, string language) => Assert.Equal(language, Samples.Texts.LanguageFor(locale).Code);

    [Fact]
    public void A_name_is_text_and_never_a_template()
    {
        var mail = Samples.Compose(MailTemplates.PaymentFailed, "en", Samples.Rich with { Plan = "{{link}} & <b>" }, name: "{{#if amount}}");
        Assert.Contains("Hello {{#if amount}},", mail.Text, StringComparison.Ordinal);
        Assert.Contains("Plan: {{link}} & <b>", mail.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_is_named_in_the_readers_language()
    {
        var composer = new MailComposer(Samples.Texts, Samples.Options, "i", (plan, language) => plan + "-" + language);
        var recipient = Samples.To("ada@example.com", locale: "fr");
        var mail = composer.Compose(Samples.Account, Samples.Mail(MailTemplates.Receipt, Samples.Rich with { Plan = "solo" }, recipient), recipient)!;
        Assert.Contains("Offre\u00A0: solo-fr", mail.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_fault_of_the_texts_is_found_at_once()
    {
        var files = MailTexts.BuiltIn();
        files.Remove("fr/receipt.txt");
        files["de/receipt.txt"] = "Subject: x\n\ny\n";
        files["en/credit_issued.txt"] = "No subject\n\nText\n";
        files["en/plan_changed.txt"] = "Subject: x\n\n{{#if newPlan}}{{nwePlan}}\n";
        files["en/language.txt"] = files["en/language.txt"].Replace("decimal = .", "decimol = .", StringComparison.Ordinal);
        var (texts, faults) = MailTexts.Read(files);
        Assert.Null(texts);
        Assert.Contains("fr/receipt.txt is missing", faults);
        Assert.Contains("de/language.txt is missing", faults);
        Assert.Contains("en/language.txt: decimal is missing", faults);
        Assert.Contains("en/language.txt:12: decimol is unknown", faults);
        Assert.Contains(faults, f => f.StartsWith("en/plan_changed.txt:3: has {{nwePlan}}, but the placeholders are account, amount,", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("en/credit_issued.txt", "No subject\n\nText {{amount}}{{account}}\n", "en/credit_issued.txt:1: must begin with 'Subject: …' and a blank line")]
    [InlineData("fr/receipt.txt", "Subject: x\n\n{{#if amount}}x\n", "fr/receipt.txt:3: has an {{#if}}, {{else}} or {{/if}} without the others")]
    [InlineData("fr/receipt.txt", "Subject: {{#if amount}}x\n\nx{{/if}}\n", "fr/receipt.txt:1: has an {{#if}}, {{else}} or {{/if}} without the others")]
    [InlineData("fr/receipt.txt", "Subject: x\n\n{{#if amount}}x{{else}}y{{else}}z{{/if}}\n", "fr/receipt.txt:3: has an {{#if}}, {{else}} or {{/if}} without the others")]
    [InlineData("fr/receipt.txt", "Subject: x\n\ny\n", "fr/receipt.txt: lacks {{account}}, {{amount}}, {{byCredit}}, {{carried}}, which the built-in en/receipt.txt tells")]
    [InlineData("fr/receipt.txt", "Subject: x\n\n{{#each amount}}\n", "fr/receipt.txt:3: has {{#each amount}}, but the placeholders are")]
    [InlineData("fr/receipt.txt", "Subject: x\n\n{{{amount}}}\n", "fr/receipt.txt:3: has a brace outside of a {{placeholder}}")]
    [InlineData("fr/receipt.txt", "Subject: x\n\n{{account}}{{amount}}{{byCredit}}\n{{> details}}\nMore\n", "fr/receipt.txt:4: has {{> details}} beside other words")]
    [InlineData("fr/digest.txt", "Subject: {{several}}{{count}}{{account}}\n\ny\n", "fr/digest.txt: lacks {{> items}}, which the built-in en/digest.txt tells")]
    [InlineData("fr/digest.txt", "Subject: x\n\n{{several}}{{count}}{{account}}: {{> items}}\n", "fr/digest.txt:3: has {{> items}} beside other words")]
    [InlineData("fr/digest.txt", "Subject: x\n\n{{several}}{{count}}{{account}}\n\n{{> items}}\nMore\n", "fr/digest.txt:5: has {{> items}} beside other words")]
    [InlineData("fr/receipt.txt", "Subject: x\n\n{{account}}{{amount}}{{byCredit}}\n\n{{> items}}\n", "fr/receipt.txt:5: has {{> items}}, but the placeholders are")]
    [InlineData("fr/recipt.txt", "Subject: x\n\ny\n", "fr/recipt.txt is no template")]
    public void A_fault_of_one_text_is_told(string path, string text, string fault)
    {
        var files = MailTexts.BuiltIn();
        files[path] = text;
        Assert.Contains(MailTexts.Read(files).Faults, f => f.StartsWith(fault, StringComparison.Ordinal));
    }

    [Fact]
    public void A_misspelt_slot_of_a_language_is_found()
    {
        var files = MailTexts.BuiltIn();
        files["fr/language.txt"] = files["fr/language.txt"].Replace("date = {day}", "date = {jour}", StringComparison.Ordinal);
        Assert.Contains("fr/language.txt:6: date has the unknown {jour}", MailTexts.Read(files).Faults);
    }

    private static void AssertReadsWell(OutgoingMessage mail)
    {
        var text = mail.Subject + "\n\n" + mail.Text;
        Assert.DoesNotMatch(@"[{}]|null|True|False", text);
        Assert.DoesNotMatch(@"  |[ \u00A0]{2}|[ \t]\n|\n{3}", text);
        Assert.DoesNotMatch(@"\(\s*\)|“\s*”|«\s*»|\s[.,]|,\.|\.\.|:\s*(\n\n|$)", text);
        Assert.False(mail.Subject.EndsWith(' ') || mail.Subject.EndsWith('.'), mail.Subject);
        Assert.InRange(mail.Subject.Length, 10, 100);
        Assert.EndsWith("\n", mail.Text, StringComparison.Ordinal);
        if (mail.Language == "fr")
        {
            Assert.DoesNotMatch(@" [:;!?»]|« ", text);
        }
    }
}
