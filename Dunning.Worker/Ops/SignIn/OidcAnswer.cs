using Dunning.Ops.Frame;

namespace Dunning.Ops.SignIn;

/// <summary>What came of a sign-in at an identity provider.</summary>
internal abstract record OidcAnswer
{
    private OidcAnswer()
    {
    }

    /// <summary>It says who it is.</summary>
    public sealed record Accepted(string Name, OpsRole Role, string Back) : OidcAnswer;

    /// <summary>Its answer does not count; why, as a key of <c>signin.oidc.…</c>.</summary>
    public sealed record Refused(string Why) : OidcAnswer;

    /// <summary>It does not answer.</summary>
    public sealed record Unreachable : OidcAnswer;
}
