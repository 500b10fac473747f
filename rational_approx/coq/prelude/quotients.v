(** * Facts about a quotient of polynomials *)

Lemma at_most_quotient u v d : 0 < d -> 0 <= u * d - v -> v / d <= u.
Proof.
  intros D H; apply Rmult_le_reg_r with d; [exact D|].
  replace (v / d * d) with v by (field; lra); lra.
Qed.

Definition at_most (s : Z) (p q : list Z) (un ud : Z) (g : region) : bool :=
  (0 <? ud)%Z && positive (scale s q) g && nonnegative (scale s (add (scale un q) (scale (- ud) p))) g.

Lemma at_most_sound s p q un ud g x :
  at_most s p q un ud g = true -> inside g x -> value p x / value q x <= IZR un / IZR ud.
Proof.
  unfold at_most; intros holds X.
  apply andb_prop in holds; destruct holds as [holds N]; apply andb_prop in holds; destruct holds as [U D].
  apply Z.ltb_lt, IZR_lt in U.
  apply (signed_sound _ _ _ _ D) in X as D'.
  apply (nonnegative_sound _ _ _ N) in X as N'.
  rewrite value_scale, value_add, !value_scale, opp_IZR in N'.
  assert (value q x <> 0) by (intros E; rewrite E in D'; lra).
  assert (IZR s <> 0) by (intros E; rewrite E in D'; lra).
  replace (value p x / value q x) with ((IZR s * value p x) / (IZR s * value q x)) by (field; auto).
  apply at_most_quotient; [exact D'|].
  replace (IZR un / IZR ud * (IZR s * value q x) - IZR s * value p x)
    with (IZR s * (IZR un * value q x + - IZR ud * value p x) / IZR ud) by (field; lra).
  apply Rmult_le_pos; [exact N'|]; left; now apply Rinv_0_lt_compat.
Qed.

Definition at_least (s : Z) (p q : list Z) (un ud : Z) (g : region) : bool :=
  at_most s (scale (-1) p) q (- un) ud g.

Lemma at_least_sound s p q un ud g x :
  at_least s p q un ud g = true -> inside g x -> IZR un / IZR ud <= value p x / value q x.
Proof.
  unfold at_least; intros holds X; apply (at_most_sound _ _ _ _ _ _ _ holds) in X.
  rewrite value_scale, opp_IZR in X; unfold Rdiv in *; lra.
Qed.

(* The numerator of the slope of p / q; the denominator is q * q. *)
Definition slope (p q : list Z) : list Z := add (mul (derive p) q) (scale (-1) (mul p (derive q))).

Lemma derivable_quotient p q x : value q x <> 0 ->
  derivable_pt_lim (fun y => value p y / value q y) x (value (slope p q) x / value (mul q q) x).
Proof.
  intros nonzero.
  unfold slope; rewrite value_add, value_scale, !value_mul.
  replace ((value (derive p) x * value q x + -1 * (value p x * value (derive q) x)) / (value q x * value q x))
    with ((value (derive p) x * value q x - value (derive q) x * value p x) / Rsqr (value q x))
    by (unfold Rsqr; field; exact nonzero).
  apply (derivable_pt_lim_div (value p) (value q)); auto using derivable_value.
Qed.

(* What a bound of the slope says of two values. *)
Lemma slope_between (f slopes : R -> R) (l u : R) (g : region) :
  (forall x, inside g x -> derivable_pt_lim f x (slopes x) /\ l <= slopes x <= u) ->
  forall x y, inside g x -> inside g y -> x <= y -> l * (y - x) <= f y - f x <= u * (y - x).
Proof.
  intros bound x y X Y [less|same]; [|subst y; lra].
  destruct (MVT_cor2 f slopes x y less) as (c & E & C).
  - intros c C; apply bound, (inside_between g x c y); auto.
  - destruct (bound c) as [_ B]; [apply (inside_between g x c y); auto; lra|].
    rewrite E; split; apply Rmult_le_compat_r; lra.
Qed.

Definition has_slope (f : R -> R) (x : R) (property : R -> Prop) : Prop :=
  exists slope, derivable_pt_lim f x slope /\ property slope.

(* The slope has the sign e: 1 where the quotient increases, -1 where it decreases. *)
Definition monotone (s e : Z) (p q : list Z) (g : region) : bool :=
  positive (scale s q) g && nonnegative (scale e (slope p q)) g.

Lemma nonzero_sound s q g x : positive (scale s q) g = true -> inside g x -> value q x <> 0.
Proof. intros holds X E; apply (signed_sound _ _ _ _ holds) in X; rewrite E in X; lra. Qed.

Lemma square_positive q x : value q x <> 0 -> 0 < value (mul q q) x.
Proof. intros H; rewrite value_mul; now apply Rsqr_pos_lt. Qed.

Lemma monotone_slope s e p q g x : monotone s e p q g = true -> inside g x ->
  has_slope (fun y => value p y / value q y) x (fun slope => 0 <= IZR e * slope).
Proof.
  unfold monotone; intros holds X; apply andb_prop in holds; destruct holds as [D N].
  assert (Q := nonzero_sound _ _ _ _ D X).
  exists (value (slope p q) x / value (mul q q) x); split; [now apply derivable_quotient|].
  apply (nonnegative_sound _ _ _ N) in X; rewrite value_scale in X.
  replace (IZR e * (value (slope p q) x / value (mul q q) x))
    with (IZR e * value (slope p q) x / value (mul q q) x) by (unfold Rdiv; ring).
  apply Rmult_le_pos; [exact X|].
  left; now apply Rinv_0_lt_compat, square_positive.
Qed.

Lemma monotone_sound s e p q g x y : monotone s e p q g = true -> inside g x -> inside g y -> x <= y ->
  IZR e * (value p x / value q x) <= IZR e * (value p y / value q y).
Proof.
  intros holds X Y [less|same]; [|subst y; lra].
  destruct (MVT_cor2 (fun z => value p z / value q z) (fun z => value (slope p q) z / value (mul q q) z) x y less)
    as (c & E & C).
  - intros c C; apply derivable_quotient.
    unfold monotone in holds; apply andb_prop in holds; destruct holds as [D _].
    now apply (nonzero_sound s q g c D), (inside_between g x c y).
  - destruct (monotone_slope s e p q g c holds) as (v & V & B); [apply (inside_between g x c y); auto; lra|].
    assert (v = value (slope p q) c / value (mul q q) c) as ->.
    { apply (uniqueness_limite (fun z => value p z / value q z) c); [exact V|].
      unfold monotone in holds; apply andb_prop in holds; destruct holds as [D _].
      apply derivable_quotient, (nonzero_sound s q g c D), (inside_between g x c y); auto; lra. }
    assert (0 <= IZR e * (value (slope p q) c / value (mul q q) c) * (y - x)) by (apply Rmult_le_pos; lra).
    simpl in E.
    assert (IZR e * (value p y / value q y) - IZR e * (value p x / value q x)
      = IZR e * (value (slope p q) c / value (mul q q) c) * (y - x)) by (rewrite <- Rmult_minus_distr_l, E; ring).
    lra.
Qed.

Definition steep_at_most (s : Z) (p q : list Z) (un ud : Z) (g : region) : bool :=
  positive (scale s q) g && at_most 1 (slope p q) (mul q q) un ud g && at_least 1 (slope p q) (mul q q) (- un) ud g.

Lemma steep_slope s p q un ud g x : steep_at_most s p q un ud g = true -> inside g x ->
  derivable_pt_lim (fun y => value p y / value q y) x (value (slope p q) x / value (mul q q) x) /\
  - (IZR un / IZR ud) <= value (slope p q) x / value (mul q q) x <= IZR un / IZR ud.
Proof.
  unfold steep_at_most; intros holds X; apply andb_prop in holds; destruct holds as [holds L].
  apply andb_prop in holds; destruct holds as [D U].
  assert (Q := nonzero_sound _ _ _ _ D X).
  repeat split; [now apply derivable_quotient| |now apply at_most_sound with 1%Z g].
  apply (at_least_sound _ _ _ _ _ _ _ L) in X; rewrite opp_IZR in X; unfold Rdiv in *; lra.
Qed.

Lemma steep_has_slope s p q un ud g x : steep_at_most s p q un ud g = true -> inside g x ->
  has_slope (fun y => value p y / value q y) x (fun slope => Rabs slope <= IZR un / IZR ud).
Proof.
  intros holds X; destruct (steep_slope _ _ _ _ _ _ _ holds X) as [D B].
  exists (value (slope p q) x / value (mul q q) x); split; [exact D|now apply Rabs_le].
Qed.

Lemma steep_sound s p q un ud g x y : steep_at_most s p q un ud g = true -> inside g x -> inside g y ->
  Rabs (value p x / value q x - value p y / value q y) <= IZR un / IZR ud * Rabs (x - y).
Proof.
  intros holds X Y.
  assert (B : forall x y, inside g x -> inside g y -> x <= y ->
    - (IZR un / IZR ud) * (y - x) <= value p y / value q y - value p x / value q x <= IZR un / IZR ud * (y - x)).
  { apply (slope_between (fun z => value p z / value q z) (fun z => value (slope p q) z / value (mul q q) z)).
    intros z Z; now apply (steep_slope s p q un ud g). }
  destruct (Rle_or_lt x y) as [less|more].
  - rewrite (Rabs_left1 (x - y)) by lra; specialize (B x y X Y less); apply Rabs_le; lra.
  - rewrite (Rabs_right (x - y)) by lra; specialize (B y x Y X ltac:(lra)); apply Rabs_le; lra.
Qed.
