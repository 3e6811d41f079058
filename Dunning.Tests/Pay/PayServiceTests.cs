using System.Net;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Pay;

/// <summary>From the link in a mail to the paid invoice, by the running service over HTTP.</summary>
[Collection(nameof(ServiceRig))]
public sealed class PayServiceTests
{
    [Fact]
    public async Task A_customer_replaces_a_card_by_the_link_of_a_mail_and_everything_is_paid_at_once()
    {
        await using var pay = await PayRig.NewAsync(["sandbox_decline_insufficient_funds", "sandbox_decline_do_not_honor", "sandbox_sca"]);
        var link = await pay.LinkOfMailAsync("a1");

        // Opened, by a person or a mail scanner, it tells and changes nothing.
        var (status, page) = await pay.GetAsync(link);
        Assert.Equal(HttpStatusCode.OK, status);
        foreach (var told in new[]
            { "<html lang=\"fr\">", "Mettez à jour votre moyen de paiement", "Nuage & Cie", "€ à payer pour Atelier", "Dernier essai : La somme n'était pas disponible.", "INV-20", "Visa se terminant par 0341" })
        {
            AssertSays(page, told);
        }
        Assert.DoesNotContain("sandbox_", page, StringComparison.Ordinal);
        Assert.Equal(0, await pay.Rig.ScalarAsync<long>("select count(*) from dunning.card_session"));
        await AssertProtectedAsync(pay, link);

        // Somebody who turns back has changed nothing, and can begin again where they are.
        var back = await pay.VisitAsync(link, "update", "cancel");
        AssertSays((await pay.GetAsync(back)).Body, "Rien n'a été modifié");
        Assert.DoesNotContain(link.AbsolutePath[5..], back.AbsoluteUri, StringComparison.Ordinal);

        back = await pay.VisitAsync(back, "update", "sandbox_ok");
        (status, page) = await SettledAsync(pay, back);
        Assert.Equal(HttpStatusCode.OK, status);
        AssertSays(page, "Merci, tout est réglé");
        AssertSays(page, "Visa se terminant par 4242");
        Assert.Equal("paid", await pay.Rig.ScalarAsync<string>("select state from dunning.receivable where account_id = 'a1'"));

        // The same address again, and again: nothing more comes of it.
        var events = await pay.Rig.ScalarAsync<long>("select event_count from dunning.account where id = 'a1'");
        AssertSays((await pay.GetAsync(back)).Body, "Merci, tout est réglé");
        Assert.Equal(events, await pay.Rig.ScalarAsync<long>("select event_count from dunning.account where id = 'a1'"));
        Assert.Equal(1, await pay.Rig.ScalarAsync<int>("select max(generation) from dunning.payment_method where account_id = 'a1'"));
        // The debt is gone, and its link with it.
        (status, page) = await pay.GetAsync(link);
        Assert.Equal((HttpStatusCode.Gone, true), (status, page.Contains("Il n'y a plus rien à payer", StringComparison.Ordinal)));

        // A card that is declined says so at once, in words.
        back = await pay.VisitAsync(await pay.LinkOfMailAsync("a2"), "update", "sandbox_decline_insufficient_funds");
        page = (await SettledAsync(pay, back)).Body;
        AssertSays(page, "Le paiement n'a pas abouti");
        AssertSays(page, "La somme n'était pas disponible.");
        AssertSays(page, "Saisir un nouveau moyen de paiement");

        // A payment that the bank wants confirmed is confirmed by the link of its mail.
        link = await pay.LinkOfMailAsync("a3");
        page = (await pay.GetAsync(link)).Body;
        AssertSays(page, "Confirmez votre paiement");
        AssertSays(page, "value=\"confirm\"");
        back = await pay.VisitAsync(link, "confirm", "refuse");
        AssertSays((await pay.GetAsync(back)).Body, "Votre banque vous demande de confirmer");
        Assert.Equal("waiting", await pay.Rig.ScalarAsync<string>("select state from dunning.payment_method where account_id = 'a3'"));
        back = await pay.VisitAsync(link, "confirm", "confirm");
        AssertSays((await pay.GetAsync(back)).Body, "Merci, tout est réglé");
    }

    [Fact]
    public async Task A_link_ends_with_its_revocation_its_contact_its_key_and_its_account()
    {
        await using var pay = await PayRig.NewAsync(["sandbox_decline_do_not_honor", "sandbox_decline_do_not_honor", "sandbox_decline_do_not_honor", "sandbox_decline_do_not_honor", "sandbox_ok"]);
        Task<Uri> LinkAsync(int account) => pay.LinkOfMailAsync($"a{account}");

        // A visit that was begun before a revocation is dead with its link.
        var visit = await pay.VisitAsync(await LinkAsync(1), "update", "sandbox_ok");
        await Task.Delay(1000); // instants are whole seconds
        Assert.Equal("the links of account a1 up to now are dead", await pay.RunAsync("links", "revoke", "a1"));
        Assert.Equal(HttpStatusCode.Gone, (await pay.GetAsync(await LinkAsync(1))).Status);
        Assert.Equal(HttpStatusCode.Gone, (await pay.GetAsync(visit)).Status);
        Assert.Equal(HttpStatusCode.OK, (await pay.GetAsync(await LinkAsync(2))).Status);
        await Task.Delay(1000);
        Assert.Equal(HttpStatusCode.OK, (await pay.GetAsync(new Uri(await pay.RunAsync("links", "make", "a1")))).Status);

        await pay.RunAsync("act", "a2", "add_contact", "--email", "new@a2.example", "--role", "owner");
        await pay.RunAsync("act", "a2", "remove_contact", "--email", "owner@a2.example");
        Assert.Equal(HttpStatusCode.Gone, (await pay.GetAsync(await LinkAsync(2))).Status);

        await pay.Rig.ScalarAsync<string?>("update dunning.account set purged_at = now() where id = 'a3'; select null::text");
        Assert.Equal(HttpStatusCode.Gone, (await pay.GetAsync(await LinkAsync(3))).Status);

        // Who owes nothing has a link for the card alone, which ends with the card.
        var card = new Uri(await pay.RunAsync("links", "make", "a5"));
        AssertSays((await pay.GetAsync(card)).Body, "Remplacez votre moyen de paiement");
        await pay.RunAsync("act", "a5", "update_payment_method", "--token", "sandbox_ok");
        AssertSays((await pay.GetAsync(card)).Body, "Ce lien a déjà servi");

        Assert.StartsWith("links are signed with key 2 now; links so far stay good", await pay.RunAsync("links", "rotate"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await pay.GetAsync(await LinkAsync(4))).Status);
        await pay.RunAsync("links", "rotate", "--drop-old");
        Assert.Equal(HttpStatusCode.NotFound, (await pay.GetAsync(await LinkAsync(4))).Status);
        Assert.Equal(2, (await pay.Rig.CommandAsync("links", "revoke", "nobody")).Code);

        // What is no link says so in the reader's language, and nobody can try for long.
        using var request = new HttpRequestMessage(HttpMethod.Get, "/pay/AQMABwAAAAIAAAAA") { Headers = { { "Accept-Language", "de, fr;q=0.8" } } };
        using var answer = await pay.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("Ce lien n&#x27;est plus valable", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var link = await LinkAsync(4);
        var statuses = await Task.WhenAll(Enumerable.Range(0, Dunning.Pay.PayLimits.PerLink + 5).Select(async _ => (await pay.GetAsync(link)).Status));
        Assert.Contains(HttpStatusCode.TooManyRequests, statuses);
        Assert.Equal(HttpStatusCode.OK, (await pay.Http.GetAsync("/health/live")).StatusCode);
    }

    // The page updates itself while the charge is under way; on a busy machine that takes longer than it waits at first.
    private static async Task<(HttpStatusCode Status, string Body)> SettledAsync(PayRig pay, Uri address)
    {
        for (var tries = 0; ; tries++)
        {
            var (status, page) = await pay.GetAsync(address);
            if (tries == 30 || !page.Contains("est en cours", StringComparison.Ordinal))
            {
                return (status, page);
            }
            await Task.Delay(1000);
        }
    }

    private static void AssertSays(string page, string words) => Assert.True(page.Contains(words, StringComparison.Ordinal), $"expected '{words}' in:\n{page[(page.IndexOf("<main>", StringComparison.Ordinal) + 1)..]}");

    private static async Task AssertProtectedAsync(PayRig pay, Uri link)
    {
        using var answer = await pay.Http.GetAsync(link);
        string HeaderOf(string name) => string.Join(", ", answer.Headers.GetValues(name));
        Assert.Equal("no-store", HeaderOf("Cache-Control"));
        Assert.Equal("no-referrer", HeaderOf("Referrer-Policy"));
        Assert.Equal("nosniff", HeaderOf("X-Content-Type-Options"));
        Assert.StartsWith("noindex", HeaderOf("X-Robots-Tag"), StringComparison.Ordinal);
        Assert.Matches("^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'$", HeaderOf("Content-Security-Policy"));
        var page = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotMatch("(?i)<script|<img|<link|src=|url\\(|@import|http", page);
        using var head = await pay.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, link));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
    }
}
