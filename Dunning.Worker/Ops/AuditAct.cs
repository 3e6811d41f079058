namespace Dunning.Ops;

/// <summary>Acts that belong to no account, as <c>dunning.audit</c> has them. They are stored: frozen by a test.</summary>
public static class AuditAct
{
#pragma warning disable CS1591 // each name says what it is
    public const string AddUser = "add_user";
    public const string ApproveGuard = "approve_guard";
    public const string ChangePassword = "change_password";
    public const string DisableUser = "disable_user";
    public const string EndSessions = "end_sessions";
    public const string GuardTripped = "guard_tripped";
    public const string JobPages = "job_pages";
    public const string ResendMail = "resend_mail";
    public const string RetryWebhook = "retry_webhook";
    public const string RunPass = "run_pass";
    public const string SignIn = "sign_in";
#pragma warning restore CS1591

    /// <summary>Who acts where nobody does: the program itself.</summary>
    public const string Itself = "dunning";
}
