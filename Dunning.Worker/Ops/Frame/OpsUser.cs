namespace Dunning.Ops.Frame;

/// <summary>What somebody who is signed in may do. Each may also do what those before it may. Their texts stand in the database.</summary>
public enum OpsRole
{
    /// <summary>Sees everything, changes nothing.</summary>
    Viewer,

    /// <summary>Acts on accounts, invoices, mails and passes.</summary>
    Operator,

    /// <summary>Approves what a guard holds back, too.</summary>
    Admin,
}

/// <summary>Who is signed in.</summary>
/// <param name="Name">As it stands in the trail of what they do.</param>
/// <param name="Role">What they may do.</param>
public sealed record OpsUser(string Name, OpsRole Role)
{
    /// <summary>Whether they may do what needs that role.</summary>
    public bool May(OpsRole role) => Role >= role;
}
