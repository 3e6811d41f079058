namespace Dunning.Ops;

/// <summary>Acts that belong to no account, as <c>dunning.audit</c> has them. They are stored: frozen by a test.</summary>
public static class AuditAct
{
#pragma warning disable CS1591 // each name says what it is
    public const string ApproveGuard = "approve_guard";
    public const string ResendMail = "resend_mail";
    public const string RunPass = "run_pass";
#pragma warning restore CS1591
}
