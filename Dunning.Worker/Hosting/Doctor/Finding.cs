namespace Dunning.Hosting.Doctor;

/// <summary>How bad a finding is.</summary>
public enum FindingLevel
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>It works, but somebody should look.</summary>
    Warning,

    /// <summary>It does not work, or harms.</summary>
    Fault,
}

/// <summary>What the doctor found about one thing.</summary>
/// <param name="Area">Which thing.</param>
/// <param name="Level">How bad it is.</param>
/// <param name="Says">What is so. No secret.</param>
/// <param name="Fix">What to do about it; null: nothing needs doing.</param>
public sealed record Finding(string Area, FindingLevel Level, string Says, string? Fix)
{
    /// <summary>As it should be.</summary>
    public static Finding Ok(string area, string says) => new(area, FindingLevel.Ok, says, null);

    /// <summary>Somebody should look.</summary>
    public static Finding Warning(string area, string says, string fix) => new(area, FindingLevel.Warning, says, fix);

    /// <summary>It does not work.</summary>
    public static Finding Fault(string area, string says, string fix) => new(area, FindingLevel.Fault, says, fix);
}
