using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Tests.Rules;

/// <summary>What an address that refuses mail means for its contact, and for the others.</summary>
public sealed class BouncingTests
{
    private static readonly Instant s_now = Instant.FromUtc(2026, 3, 3, 8, 0);
    private static readonly Rulebook s_rules = Samples.Rules();

    [Fact]
    public void A_refused_address_is_marked_and_told_and_the_last_one_too()
    {
        var (file, events) = Deliver(Account(), (1, DeliveryVerdict.Bounced, "550 5.1.1 at recipient"), (2, DeliveryVerdict.Accepted, null));
        Assert.Equal(["email.sent b@x.example", "contact.bouncing 550 5.1.1 at recipient a@x.example"], events);
        Assert.Equal(new Bounce(s_now, "550 5.1.1 at recipient", false), file.Contacts[0].Bounce);
        Assert.Null(file.Contacts[1].Bounce);
        Assert.Equal((DeliveryState.Dead, "550 5.1.1 at recipient"), (file.Mails[0].Recipients[0].State, file.Mails[0].Recipients[0].Detail));

        // It stays a recipient, and nobody else becomes one; an admin is none that could be left.
        (file, events) = Deliver(WithMail(file, s_now + Duration.FromHours(1)), (1, DeliveryVerdict.Bounced, "550"), (2, DeliveryVerdict.Bounced, "550"));
        Assert.Equal(["contact.bouncing 550 b@x.example", "account.unreachable"], events);
        Assert.Equal("550 5.1.1 at recipient", file.Contacts[0].Bounce!.Reason);
        Assert.Equal([1, 2], WithMail(file, s_now + Duration.FromHours(2)).Mails[^1].Recipients.Select(r => r.Contact));
    }

    [Theory]
    [InlineData(DeliveryVerdict.Deferred)]
    [InlineData(DeliveryVerdict.Rejected)]
    public void What_is_not_about_the_address_marks_nobody(DeliveryVerdict verdict)
    {
        var (file, events) = Deliver(Account(), (1, verdict, "451 at session"));
        Assert.Empty(events);
        Assert.All(file.Contacts, c => Assert.Null(c.Bounce));
        Assert.Equal("451 at session", file.Mails[0].Recipients[0].Detail);
    }

    [Theory]
    [InlineData(false, true)] // the server refused it then and takes it now
    [InlineData(true, false)] // it had taken that one too
    public void A_mail_that_is_taken_clears_a_refusal_and_no_report(bool isReported, bool clears)
    {
        var file = Account();
        file = file with { Contacts = file.Contacts.SetItem(0, file.Contacts[0] with { Bounce = new Bounce(s_now, "5.1.1", isReported) }) };
        var (after, events) = Deliver(file, (1, DeliveryVerdict.Accepted, null));
        Assert.Equal(clears, after.Contacts[0].Bounce is null);
        Assert.Equal(clears ? ["email.sent a@x.example", "contact.reachable a@x.example"] : ["email.sent a@x.example"], events);
    }

    [Fact]
    public void A_report_marks_once_and_an_operator_takes_it_off()
    {
        var marked = Pass.Bounced(Account(), 2, "5.1.1 reported", s_now, s_rules);
        Assert.Equal(["contact.bouncing 5.1.1 reported b@x.example"], Told(marked));
        Assert.Equal(new Bounce(s_now, "5.1.1 reported", true), marked.After.Contacts[1].Bounce);
        Assert.Empty(Pass.Bounced(marked.After, 2, "5.2.1 reported", s_now, s_rules).Events);

        var cleared = Pass.Reachable(marked.After, 2, s_now, s_rules);
        Assert.Equal(["contact.reachable b@x.example"], Told(cleared));
        Assert.Null(cleared.After.Contacts[1].Bounce);
        Assert.Empty(Pass.Reachable(cleared.After, 2, s_now, s_rules).Events);
    }

    [Fact]
    public void Who_gets_no_mail_is_not_marked()
    {
        var file = Account();
        Assert.Empty(Pass.Bounced(file, 3, "5.1.1", s_now, s_rules).Events); // an admin
        Assert.Empty(Pass.Bounced(file, 9, "5.1.1", s_now, s_rules).Events);
        Assert.Empty(Pass.Bounced(file with { Contacts = file.Contacts.SetItem(0, file.Contacts[0] with { Removed = true }) }, 1, "5.1.1", s_now, s_rules).Events);
        Assert.Empty(Pass.Bounced(file with { PurgedAt = s_now, Access = Access.Suspended }, 1, "5.1.1", s_now, s_rules).Events);
    }

    private static AccountFile Account()
    {
        var file = Samples.Account("a", s_now) with
        {
            ContactCount = 3,
            Contacts =
            [
                new Contact(1, "a@x.example", "", ContactRole.Owner, null), new Contact(2, "b@x.example", "", ContactRole.Billing, null),
                new Contact(3, "c@x.example", "", ContactRole.Admin, null),
            ],
        };
        return WithMail(file, s_now);
    }

    // Decided by the rule, so that its recipients are those that the rule gives it.
    private static AccountFile WithMail(AccountFile file, Instant at) =>
        Pass.Act(file, new AccountAction(at, file.Id, ActionNames.Credit) { Amount = 100 }, at, s_rules).After;

    private static (AccountFile File, string[] Events) Deliver(AccountFile file, params (int Contact, DeliveryVerdict Verdict, string? Detail)[] results)
    {
        var begun = Pass.Begin(file, new PassRun(file.Mails[^1].DecidedAt, PassKind.Mail), s_rules);
        var effect = Assert.IsType<Effect.Deliver>(begun.Effect);
        var done = Pass.Resume(begun.After, effect, new Answer.Delivered(
            [(effect.Mails[^1].Number, results.Select(r => new DeliveryResult(r.Contact, r.Verdict, r.Detail)).ToImmutableArray())]), s_rules);
        return (done.After, Told(done));
    }

    private static string[] Told(Decision decision) => [.. decision.Events.Select(e => string.Join(' ',
        new[] { e.Type, e.Reason }.Concat(e.To?.Select(r => r.Email) ?? []).Where(t => t is not null)))];
}
