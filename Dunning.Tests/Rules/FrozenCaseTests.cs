using Dunning.Events;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Tests.Rules;

/// <summary>RULES 5: an outcome that arrives while access is not active does no step, whatever its attempt was begun as.</summary>
public sealed class FrozenCaseTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 10, 8, 0);

    [Theory]
    [InlineData(AttemptKind.Step, Access.Active, new[] { EventTypes.DunningStep }, MailTemplates.PaymentFailed)]
    [InlineData(AttemptKind.Step, Access.Suspended, new string[0], MailTemplates.PaymentFailed)]
    [InlineData(AttemptKind.Step, Access.Limited, new string[0], MailTemplates.PaymentFailed)]
    [InlineData(AttemptKind.Recharge, Access.Active, new string[0], MailTemplates.PaymentFailed)]
    [InlineData(AttemptKind.Recharge, Access.Suspended, new string[0], MailTemplates.PaymentFailed)]
    public void Of_an_open_case(AttemptKind kind, Access access, string[] events, string mail)
    {
        var decision = Fail(kind, access, new DunningCase
        {
            Schedule = RuleOptions.DefaultSteps,
            OpenedAt = Now,
            DayZero = new LocalDate(2026, 3, 1),
            LastStepOn = new LocalDate(2026, 3, 1),
        });
        Assert.Equal(events, decision.Events.Select(e => e.Type));
        Assert.Equal(mail, Assert.Single(decision.After.Mails).Template);
        Assert.Equal(events.Length, decision.After.Invoices.Single().Case!.LastStep);
    }

    [Theory]
    [InlineData(Access.Active)]
    [InlineData(Access.Suspended)]
    public void Of_a_first_attempt_it_opens_the_case_all_the_same(Access access)
    {
        var decision = Fail(AttemptKind.First, access, null);
        Assert.Equal([EventTypes.DunningOpened], decision.Events.Select(e => e.Type));
        Assert.Equal(0, decision.After.Invoices.Single().Case!.LastStep);
    }

    private static Decision Fail(AttemptKind kind, Access access, DunningCase? dunningCase)
    {
        var money = new Money(1000, Currency.Of("EUR"));
        var invoice = new Invoice
        {
            SubscriptionId = "s",
            PeriodStart = new LocalDate(2026, 3, 1),
            PeriodEnd = new LocalDate(2026, 4, 1),
            PlanCode = "monthly",
            PlanVersion = 1,
            Quantity = 1,
            UnitPrice = money,
            Subtotal = money,
            TaxTreatment = TaxTreatment.Export,
            TaxRateBp = 0,
            Tax = money - money,
            CreditApplied = money - money,
            AmountDue = money,
            IssuedAt = Now,
            Case = dunningCase,
        };
        var isActive = access == Access.Active;
        var draft = new Draft(Samples.Account("a", Now) with
        {
            Access = access,
            SuspendedOn = isActive ? null : new LocalDate(2026, 3, 9),
            SuspendedAt = isActive ? null : Now - Duration.FromDays(1),
            PurgeOn = isActive ? null : new LocalDate(2026, 6, 7),
            AccessUntil = access == Access.Limited ? Now + Duration.FromDays(1) : null,
            Invoices = [invoice],
        }, Now, Samples.Rules());
        Stepping.Failed(draft, invoice, kind, "insufficient_funds", null);
        return draft.Done();
    }
}
