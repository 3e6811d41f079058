namespace Dunning.Ops.Alerts;

/// <summary>How bad it is.</summary>
internal enum Severity
{
    /// <summary>Look at it today.</summary>
    Warning = 1,

    /// <summary>Money, access or data are at stake now.</summary>
    Critical,
}

/// <summary>Something that is wrong now.</summary>
/// <param name="Key">Names the cause: while one is open, it is not told again.</param>
/// <param name="Rule">Which rule says so: one of <see cref="AlertRules.All"/>.</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Summary">For people, in a sentence; of customers' things only account ids.</param>
/// <param name="Page">The page of ours where it can be seen.</param>
internal sealed record Finding(string Key, string Rule, Severity Severity, string Summary, string Page);

/// <summary>All that was found.</summary>
/// <param name="Items">What is wrong.</param>
/// <param name="Unsure">Rules, or keys, that could not be told: what is open of them stays so.</param>
internal sealed record Findings(IReadOnlyList<Finding> Items, IReadOnlySet<string> Unsure);
