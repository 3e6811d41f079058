using System.Reflection;
using Dunning.Events;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Ops.Frame;
using Dunning.Passes;

namespace Dunning.Tests.Rules;

/// <summary>
/// Names that are stored: in events, in the outbox, in columns with a check. A new name may be added here. To rename or remove one breaks every
/// database that holds it: it takes a migration, and two releases (ARCHITECTURE, PostgreSQL 4).
/// </summary>
public sealed class FrozenNamesTests
{
    [Fact]
    public void Event_types() => AssertFrozen(Constants(typeof(EventTypes)),
        """
        account.access_ended account.access_granted account.closed account.erased account.purge_postponed account.purged account.reactivated account.suspended
        account.unreachable action.rejected charge.abandoned charge.duplicate charge.failed charge.pending charge.skipped charge.stuck charge.succeeded charge.unknown contact.bouncing contact.reachable
        credit.applied
        dunning.exhausted dunning.opened dunning.recovered dunning.step dunning.stopped email.dropped email.sent
        invoice.issued invoice.paid invoice.voided invoice.written_off notice.cleared notice.posted operator.acted
        payment.dispute_closed payment.disputed payment.received payment.refunded payment.reversed payment.unexpected payment_method.gone payment_method.replaced
        subscription.cancel_scheduled subscription.canceled subscription.expired subscription.plan_changed subscription.renewed subscription.resumed
        """);

    [Fact]
    public void Mail_templates()
    {
        const string names =
            """
            access_granted account_purged account_reactivated account_suspended cancellation_scheduled cancellation_withdrawn card_expiring
            credit_issued debit_upcoming digest payment_failed payment_method_updated payment_recovered plan_changed purge_warning receipt renewal_upcoming
            subscription_canceled subscription_expired subscription_expiring suspension_warning
            """;
        AssertFrozen(Constants(typeof(MailTemplates)), names);
        AssertFrozen(MailTemplates.All, names);
    }

    /// <summary>What may wait for a digest. A mail about money that is missing, or about an end, must never come to stand here.</summary>
    [Fact]
    public void Mails_that_are_not_urgent() => AssertFrozen(MailTemplates.NotUrgent, "credit_issued plan_changed receipt");

    [Fact]
    public void Actions() => AssertFrozen(Constants(typeof(ActionNames)),
        """
        abandon_charge add_contact authenticate cancel change_plan credit exempt grant_access hold pause release_hold remove_contact resolve_charge resume retry_charge set_auto_renew
        set_contact unexempt unpause update_payment_method void write_off
        """);

    /// <summary>What the audit calls acts that belong to no account, and who acts where no person does.</summary>
    [Fact]
    public void Acts_of_the_audit() => AssertFrozen(Constants(typeof(AuditAct)), "add_user approve_guard change_password disable_user dunning end_sessions guard_tripped job_pages resend_mail retry_webhook run_pass sign_in");

    /// <summary>Why an operator's act was rejected: in events.</summary>
    [Fact]
    public void Causes_of_rejections() => AssertFrozen(Constants(typeof(RejectionCause)),
        """
        account_purged already_exempt already_held already_over charge_not_stuck charge_without_outcome credit_too_large date_not_ahead date_too_far days_too_many invoice_disputed
        invoice_not_unpaid not_exempt not_held not_paused not_suspended nothing_owed other
        """);

    [Fact]
    public void Roles_of_operators() => AssertFrozen(OpsRoles.Names, "admin operator viewer");

    [Fact]
    public void Audiences_of_notices() => AssertFrozen(Constants(typeof(Audiences)), "all_agents owner_admins");

    // In their order too: some are compared, and phases run in it.
    [Theory]
    [InlineData(typeof(Access), "Active Suspended Limited")]
    [InlineData(typeof(ContactRole), "Owner Billing Admin")]
    [InlineData(typeof(MethodState), "Ok Blocked Waiting")]
    [InlineData(typeof(SubscriptionState), "Live Canceled Expired")]
    [InlineData(typeof(InvoiceState), "Open Paid Voided WrittenOff")]
    [InlineData(typeof(TaxTreatment), "Domestic EuConsumer ReverseCharge Export")]
    [InlineData(typeof(AttemptKind), "First Step Recharge")]
    [InlineData(typeof(ChargeState), "InFlight Unknown Pending Succeeded Failed Abandoned Refused Reversed")]
    [InlineData(typeof(ChargeResolution), "None NeverMade Failed")]
    [InlineData(typeof(DeliveryState), "Pending Accepted Dead Dropped Held Digested")]
    [InlineData(typeof(MailFrequency), "AtOnce Daily Weekly")]
    [InlineData(typeof(IntervalUnit), "Day Week Month Year")]
    [InlineData(typeof(PassKind), "Reconcile Renew Dun EndAccess Purge Remind Mail All")]
    public void Enums(Type type, string names) => Assert.Equal(names, string.Join(' ', Enum.GetNames(type)));

    private static IEnumerable<string> Constants(Type type) =>
        type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!);

    private static void AssertFrozen(IEnumerable<string> actual, string expected) => Assert.Equal(
        expected.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal),
        actual.Order(StringComparer.Ordinal));
}
