using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Options;

namespace Dunning.Tests.Rules;

public sealed class StepScheduleTests
{
    private static readonly DunningStep First = new(0, MailTemplates.PaymentFailed, null, false);
    private static readonly DunningStep Warning = new(5, MailTemplates.SuspensionWarning, Audiences.AllAgents, false);
    private static readonly DunningStep Last = new(9, MailTemplates.AccountSuspended, null, true);

    [Fact]
    public void The_default_is_that_of_the_rule_book() => Assert.Equal(
        """
        0|payment_failed||
        2|payment_failed||
        4|payment_failed|owner_admins|
        21|suspension_warning|all_agents|
        29|account_suspended||suspend
        """,
        RuleOptions.DefaultSteps.Text);

    [Fact]
    public void The_shortest_has_three_steps()
    {
        var schedule = Valid(First, Warning, Last);
        Assert.Equal((3, 1), (schedule.Steps.Length, schedule.LastWarning));
        // Days may follow each other.
        Valid(First, Warning with { Day = 1 }, Last with { Day = 2 });
        Valid(First, Warning with { Day = 3649 }, Last with { Day = 3650 });
        Valid(First with { Notice = Audiences.OwnerAdmins }, Warning, Warning with { Day = 6, Notice = null }, Last);
    }

    [Fact]
    public void The_last_of_several_warnings_is_the_one_that_counts()
    {
        Assert.Equal(2, Valid(First, Warning, Warning with { Day = 6 }, Last).LastWarning);
        Assert.Equal(1, Valid(First, Warning, First with { Day = 6 }, Last).LastWarning);
    }

    [Fact]
    public void Its_text_is_read_back_and_names_it()
    {
        var schedule = Valid(First with { Notice = Audiences.OwnerAdmins }, Warning, Last);
        var again = StepSchedule.Parse(schedule.Text);
        Assert.Equal(schedule, again);
        Assert.Equal(schedule.GetHashCode(), again.GetHashCode());
        Assert.Equal(schedule.Fingerprint, again.Fingerprint);
        Assert.NotEqual(schedule.Fingerprint, Valid(First, Warning, Last).Fingerprint);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0|payment_failed|")]
    [InlineData("0|payment_failed||\n9|account_suspended||suspend")]
    public void A_text_of_no_valid_schedule_is_refused(string text) => Assert.Throws<FormatException>(() => StepSchedule.Parse(text));

    [Fact]
    public void Every_fault_is_named()
    {
        Faults([], "at least a first step", "no step mails suspension_warning");
        Faults([Last with { Day = 0 }], "at least a first step", "no step mails suspension_warning");
        Faults([First with { Day = 1 }, Warning, Last], "Dunning:Steps:0:Day is 1, but the first step is the renewal itself");
        Faults([First, Warning, Warning with { Day = 5 }, Last], "Dunning:Steps:2:Day is 5, but days must rise: more than the 5 of the step before, such as 7");
        Faults([First, Warning, Last with { Day = 4 }], "Dunning:Steps:2:Day is 4, but days must rise: more than the 5 of the step before, such as 7");
        Faults([First with { Day = -1 }, Warning, Last], "it must be 0", "Day is -1, but must be from 0 to 3650");
        Faults([First, Warning, Last with { Day = 3651 }], "Day is 3651, but must be from 0 to 3650");
        Faults([First, Warning with { Notice = "everyone" }, Last], "Notice is 'everyone', but must be empty, owner_admins or all_agents");
        Faults([First, Warning, Last with { Day = 7 }, Last], "Dunning:Steps:2:Suspend is true, but only the last step may suspend");
        Faults([First, Warning, Last with { Suspend = false }], "the last step must suspend", "Email is 'account_suspended', but must be");
        Faults([First, Warning, Last with { Email = MailTemplates.PaymentFailed }], "the suspending step mails account_suspended");
        Faults([First, Warning, Last with { Notice = Audiences.AllAgents }], "the suspending step has no notice");
        Faults([First with { Email = MailTemplates.SuspensionWarning }, Warning, Last], "the first step mails payment_failed");
        Faults([First, Warning with { Email = MailTemplates.Receipt }, Last], "Email is 'receipt', but must be", "no step mails suspension_warning");
        Faults([First, First with { Day = 5 }, Last], "no step mails suspension_warning, and nobody may be suspended without a warning");
    }

    [Fact]
    public void A_fault_names_the_key_as_it_was_given_also_after_a_step_that_is_off() => Assert.Contains(
        "Dunning:Steps:3:Day is 4, but days must rise: more than the 4 of the step before, such as 6",
        RuleOptions.Read([new("Dunning:Steps:1:Off", "true"), new("Dunning:Steps:3:Day", "4")]).Faults);

    [Fact]
    public void All_faults_are_told_at_once() => Assert.Equal(
        4, StepSchedule.Create([First with { Day = 1 }, Warning with { Day = 1, Notice = "x" }, Last with { Suspend = false, Email = MailTemplates.PaymentFailed }]).Faults.Length);

    private static StepSchedule Valid(params DunningStep[] steps)
    {
        var (schedule, faults) = StepSchedule.Create([.. steps]);
        Assert.Empty(faults);
        return schedule!;
    }

    private static void Faults(ImmutableArray<DunningStep> steps, params string[] expected)
    {
        var (schedule, faults) = StepSchedule.Create(steps);
        Assert.Null(schedule);
        Assert.True(faults.Length == expected.Length && expected.Zip(faults).All(p => p.Second.Contains(p.First, StringComparison.Ordinal)),
            "expected:\n" + string.Join('\n', expected) + "\nfound:\n" + string.Join('\n', faults));
    }
}
