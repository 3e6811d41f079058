using Dunning.Model;
using NodaTime;

namespace Dunning.Passes;

/// <summary>Room that a decision takes under a guard's limit, or gives back because the harm did not come.</summary>
/// <param name="Kind">One kind.</param>
/// <param name="At">When it is taken; of room given back, when it had been taken.</param>
/// <param name="Count">How much; below 0: given back.</param>
public readonly record struct RoomChange(GuardKinds Kind, Instant At, int Count);
