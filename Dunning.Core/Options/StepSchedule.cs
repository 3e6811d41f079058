using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dunning.Model;

namespace Dunning.Options;

/// <summary>One step of the dunning schedule (RULES 5).</summary>
/// <param name="Day">Days after day 0.</param>
/// <param name="Email">The step's mail.</param>
/// <param name="Notice">Audience of the in-app notice, or null for none. Its kind is the step's mail.</param>
/// <param name="Suspend">Whether the failed attempt of this step suspends the account.</param>
public sealed record DunningStep(int Day, string Email, string? Notice, bool Suspend);

/// <summary>
/// A validated dunning schedule: days rise from 0, the last step alone suspends, at least one of the others warns.
/// A case keeps the schedule with which it began.
/// </summary>
public sealed class StepSchedule : IEquatable<StepSchedule>
{
    private StepSchedule(ImmutableArray<DunningStep> steps)
    {
        Steps = steps;
        Text = string.Join('\n', steps.Select(s =>
            string.Create(CultureInfo.InvariantCulture, $"{s.Day}|{s.Email}|{s.Notice}|{(s.Suspend ? "suspend" : "")}")));
        Fingerprint = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text)))[..16];
        LastWarning = steps.Select((step, index) => (step, index))
            .Last(s => s.step.Email == MailTemplates.SuspensionWarning).index;
    }

    /// <summary>The steps, numbered from 0.</summary>
    public ImmutableArray<DunningStep> Steps { get; }

    /// <summary>Number of the last step that mails <c>suspension_warning</c>.</summary>
    public int LastWarning { get; }

    /// <summary>One line a step: <c>day|mail|audience|suspend</c>. <see cref="Parse"/> reads it back.</summary>
    public string Text { get; }

    /// <summary>Names this schedule in the database: equal schedules have equal fingerprints.</summary>
    public string Fingerprint { get; }

    /// <summary>Checks the steps as a whole and makes the schedule of them, or says every fault.</summary>
    /// <param name="steps">The steps that are on.</param>
    /// <param name="numbers">Their numbers in the settings, where those that are off count too; default: as they come.</param>
    public static (StepSchedule? Schedule, ImmutableArray<string> Faults) Create(ImmutableArray<DunningStep> steps, ImmutableArray<int> numbers = default)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        if (steps.Length < 2)
        {
            faults.Add("Dunning:Steps: at least a first step and a suspending step are needed: leave more of them on, such as Dunning:Steps:4:Off=false");
        }
        for (var i = 0; i < steps.Length; i++)
        {
            var (step, last) = (steps[i], i == steps.Length - 1);
            var key = string.Create(CultureInfo.InvariantCulture, $"Dunning:Steps:{(numbers.IsDefault ? i : numbers[i])}");
            if (i == 0 && step.Day != 0)
            {
                faults.Add(Fault($"{key}:Day is {step.Day}, but the first step is the renewal itself: it must be 0"));
            }
            if (i > 0 && step.Day <= steps[i - 1].Day)
            {
                faults.Add(Fault($"{key}:Day is {step.Day}, but days must rise: more than the {steps[i - 1].Day} of the step before, such as {steps[i - 1].Day + 2}"));
            }
            if (step.Day is < 0 or > 3650)
            {
                faults.Add(Fault($"{key}:Day is {step.Day}, but must be from 0 to 3650, such as 4"));
            }
            if (step.Notice is not (null or Audiences.OwnerAdmins or Audiences.AllAgents))
            {
                faults.Add($"{key}:Notice is '{step.Notice}', but must be empty, owner_admins or all_agents");
            }
            if (step.Suspend && !last)
            {
                faults.Add($"{key}:Suspend is true, but only the last step may suspend: set it to false");
            }
            if (last && !step.Suspend)
            {
                faults.Add($"{key}:Suspend is false, but the last step must suspend: set it to true");
            }
            if (step.Suspend && step.Email != MailTemplates.AccountSuspended)
            {
                faults.Add($"{key}:Email is '{step.Email}', but the suspending step mails account_suspended");
            }
            if (step.Suspend && step.Notice is not null)
            {
                faults.Add($"{key}:Notice is '{step.Notice}', but the suspending step has no notice: leave it empty");
            }
            if (!step.Suspend && i == 0 && step.Email != MailTemplates.PaymentFailed)
            {
                faults.Add($"{key}:Email is '{step.Email}', but the first step mails payment_failed");
            }
            else if (!step.Suspend && step.Email is not (MailTemplates.PaymentFailed or MailTemplates.SuspensionWarning))
            {
                faults.Add($"{key}:Email is '{step.Email}', but must be payment_failed or suspension_warning");
            }
        }
        if (!steps.Any(s => s.Email == MailTemplates.SuspensionWarning))
        {
            faults.Add("Dunning:Steps: no step mails suspension_warning, and nobody may be suspended without a warning: set the Email of the one before the last to it, such as Dunning:Steps:3:Email=suspension_warning");
        }
        return faults.Count == 0 ? (new StepSchedule(steps), []) : (null, faults.ToImmutable());

        static string Fault(FormattableString text) => FormattableString.Invariant(text);
    }

    /// <summary>Reads back <see cref="Text"/>.</summary>
    /// <exception cref="FormatException">The text is not that of a valid schedule.</exception>
    public static StepSchedule Parse(string text)
    {
        var steps = text.Split('\n').Select(line => line.Split('|')).Select(f => f.Length == 4
            ? new DunningStep(int.Parse(f[0], CultureInfo.InvariantCulture), f[1], f[2].Length == 0 ? null : f[2], f[3] == "suspend")
            : throw new FormatException($"not a dunning schedule: {text}")).ToImmutableArray();
        return Create(steps).Schedule ?? throw new FormatException($"not a valid dunning schedule: {text}");
    }

    /// <inheritdoc/>
    public bool Equals(StepSchedule? other) => other is not null && Text == other.Text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as StepSchedule);

    /// <inheritdoc/>
    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);
}
