namespace Dunning.Model;

/// <summary>What harms customers when a setting or a rule is wrong for many of them: only so much of each is done in a day without an operator's word.</summary>
[Flags]
public enum GuardKinds
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Attempts whose failure suspends their account.</summary>
    Suspensions = 1,

    /// <summary>Purges, and erasures of closed accounts.</summary>
    Purges = 2,

    /// <summary>Messages that leave.</summary>
    Mails = 4,
}
