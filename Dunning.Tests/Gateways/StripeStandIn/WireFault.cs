namespace Dunning.Tests.Gateways.StripeStandIn;

/// <summary>What goes wrong with one request, at the wire or behind it.</summary>
public enum WireFault
{
    /// <summary>The connection is cut before the request is executed.</summary>
    CutBefore,

    /// <summary>It is executed, and the connection is cut before a byte of the answer.</summary>
    CutAfter,

    /// <summary>Nothing is executed, and no answer comes until the client gives up.</summary>
    SilentBefore,

    /// <summary>It is executed, and no answer comes until the client gives up.</summary>
    SilentAfter,

    /// <summary>500 from Stripe itself, nothing executed.</summary>
    ErrorBefore,

    /// <summary>It is executed, but the answer is a proxy's 502.</summary>
    ErrorAfter,

    /// <summary>The intent is made but not confirmed, and the answer is a 500 that is stored under its key.</summary>
    HalfDone,

    /// <summary>429, with Retry-After.</summary>
    TooMany,

    /// <summary>It is executed, and the answer ends in the middle.</summary>
    CutBody,

    /// <summary>It is executed, and the answer is 200 with a page of HTML.</summary>
    WrongJson,

    /// <summary>It is executed, and the answer comes byte by byte.</summary>
    SlowDrip,

    /// <summary>409: another request with this key is under way.</summary>
    KeyInUse,

    /// <summary>The key was spent on another request: 400, <c>idempotency_error</c>.</summary>
    KeyMismatch,

    /// <summary>The connection is cut, and the request is executed later, when <see cref="StandIn.DeliverLateAsync"/> is called.</summary>
    Late,

    /// <summary>401: the key was revoked.</summary>
    Unauthorized,
}
