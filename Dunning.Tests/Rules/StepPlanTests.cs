using Dunning.Model;
using Dunning.Options;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Tests.Rules;

/// <summary>RULES 5: when the next step of a case falls due. Dates are days after day 0, which is 1 March.</summary>
public sealed class StepPlanTests
{
    private static readonly LocalDate DayZero = new(2026, 3, 1);

    // Steps 0, 2, 4, 21 (the warning) and 29 (the suspension).
    [Theory]
    //          done  on  due on
    [InlineData(0, 0, 2)]
    [InlineData(1, 2, 4)]
    [InlineData(2, 4, 21)]
    [InlineData(3, 21, 29)]
    // Late, but not later than the next one is planned: nothing moves.
    [InlineData(1, 3, 4)]
    [InlineData(2, 15, 21)]
    // Later than that: one a day.
    [InlineData(1, 4, 5)]
    [InlineData(1, 30, 31)]
    [InlineData(2, 21, 22)]
    [InlineData(2, 40, 41)]
    // After the warning its full eight days, however late.
    [InlineData(3, 22, 30)]
    [InlineData(3, 28, 36)]
    [InlineData(3, 100, 108)]
    public void The_default_schedule(int done, int on, int expected) => Assert.Equal(expected, DueOn(RuleOptions.DefaultSteps, done, on, warnedOn: on));

    // A warning before other steps: 0, 3 (warning), 7, 10 (suspension).
    [Theory]
    [InlineData(0, 0, 3)]
    [InlineData(1, 3, 7)]
    [InlineData(1, 9, 10)]
    [InlineData(2, 7, 10)]
    [InlineData(2, 10, 13)] // its day less the day of the step before it
    public void A_schedule_that_warns_early(int done, int on, int expected) => Assert.Equal(
        expected,
        DueOn(Schedule((0, MailTemplates.PaymentFailed), (3, MailTemplates.SuspensionWarning), (7, MailTemplates.PaymentFailed), (10, MailTemplates.AccountSuspended)),
            done, on, warnedOn: 3));

    // Two warnings: 0, 1 (warning), 2 (warning), 3 (suspension): only the last one counts.
    [Theory]
    [InlineData(1, 1, 2)]
    [InlineData(2, 2, 3)]
    [InlineData(2, 5, 6)]
    public void A_schedule_with_two_warnings(int done, int on, int expected) => Assert.Equal(
        expected,
        DueOn(Schedule((0, MailTemplates.PaymentFailed), (1, MailTemplates.SuspensionWarning), (2, MailTemplates.SuspensionWarning), (3, MailTemplates.AccountSuspended)),
            done, on, warnedOn: on));

    [Fact]
    public void A_warning_that_left_late_gives_its_days_from_then()
    {
        var warned = Case(RuleOptions.DefaultSteps, 3, 21) with { WarnedOn = Day(21), WarningLeftOn = Day(24) };
        Assert.Equal(Day(32), Stepping.NextStepOn(warned));
    }

    [Fact]
    public void Nobody_is_suspended_while_the_warning_has_not_left() =>
        Assert.Null(Stepping.NextStepOn(Case(RuleOptions.DefaultSteps, 3, 21) with { WarnedOn = Day(21) }));

    [Fact]
    public void An_exhausted_case_has_no_next_step() =>
        Assert.Null(Stepping.NextStepOn(Case(RuleOptions.DefaultSteps, 4, 29) with { Exhausted = true }));

    [Theory]
    [InlineData(0, 0, 29)]
    [InlineData(2, 4, 29)]
    [InlineData(2, 30, 39)] // the warning a day later, and eight days
    [InlineData(3, 25, 33)]
    public void A_forecast_takes_every_step_on_its_date(int done, int on, int expected)
    {
        var warnedOn = done >= 3 ? Day(on) : (LocalDate?)null;
        Assert.Equal(Day(expected), Stepping.SuspendsOn(Case(RuleOptions.DefaultSteps, done, on) with { WarnedOn = warnedOn, WarningLeftOn = warnedOn }));
    }

    private static int DueOn(StepSchedule schedule, int done, int on, int warnedOn)
    {
        var (at, left) = (Case(schedule, done, on), done >= schedule.LastWarning ? Day(warnedOn) : (LocalDate?)null);
        return Period.DaysBetween(DayZero, Stepping.NextStepOn(at with { WarnedOn = left, WarningLeftOn = left })!.Value);
    }

    private static DunningCase Case(StepSchedule schedule, int done, int on) =>
        new() { Schedule = schedule, OpenedAt = default, DayZero = DayZero, LastStep = done, LastStepOn = Day(on) };

    private static LocalDate Day(int number) => DayZero.PlusDays(number);

    private static StepSchedule Schedule(params (int Day, string Email)[] steps) => StepSchedule.Create(
        [.. steps.Select((s, i) => new DunningStep(s.Day, s.Email, null, i == steps.Length - 1))]).Schedule!;
}
