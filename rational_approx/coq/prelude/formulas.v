(** * Rational formulas *)

Inductive formula :=
| Const (c : Z)
| Var
| Neg (a : formula)
| Add (a b : formula)
| Mul (a b : formula)
| Div (a b : formula)
| Pow (a : formula) (n : nat).

Fixpoint meaning (e : formula) (x : R) : R :=
  match e with
  | Const c => IZR c
  | Var => x
  | Neg a => - meaning a x
  | Add a b => meaning a x + meaning b x
  | Mul a b => meaning a x * meaning b x
  | Div a b => meaning a x / meaning b x
  | Pow a n => meaning a x ^ n
  end.

Fixpoint power (p : list Z) (n : nat) : list Z :=
  match n with
  | O => [1%Z]
  | S m => mul p (power p m)
  end.

Lemma value_power p n x : value (power p n) x = value p x ^ n.
Proof. induction n as [|n IH]; simpl; [ring|]. rewrite value_mul, IH; reflexivity. Qed.

(* Numerator and denominator of a formula. *)
Fixpoint fraction (e : formula) : list Z * list Z :=
  match e with
  | Const c => ([c], [1%Z])
  | Var => ([0%Z; 1%Z], [1%Z])
  | Neg a => let (p, q) := fraction a in (scale (-1) p, q)
  | Add a b =>
      let (p, q) := fraction a in let (v, w) := fraction b in (add (mul p w) (mul v q), mul q w)
  | Mul a b => let (p, q) := fraction a in let (v, w) := fraction b in (mul p v, mul q w)
  | Div a b => let (p, q) := fraction a in let (v, w) := fraction b in (mul p w, mul q v)
  | Pow a n => let (p, q) := fraction a in (power p n, power q n)
  end.

Definition nonzero (p : list Z) (g : region) : bool :=
  if positive p g then true else positive (scale (-1) p) g.

Lemma nonzero_region p g x : nonzero p g = true -> inside g x -> value p x <> 0.
Proof.
  unfold nonzero; destruct (positive p g) eqn:P; intros holds X.
  - assert (0 < value p x) by now apply positive_sound with g. lra.
  - now apply nonzero_sound with (-1)%Z g.
Qed.

(* Whether every divisor has no zero on a region. *)
Fixpoint defined (e : formula) (g : region) : bool :=
  match e with
  | Const _ | Var => true
  | Neg a | Pow a _ => defined a g
  | Add a b | Mul a b => defined a g && defined b g
  | Div a b => defined a g && defined b g && nonzero (fst (fraction b)) g
  end.

Lemma fraction_sound e g x : defined e g = true -> inside g x ->
  value (snd (fraction e)) x <> 0 /\ meaning e x = value (fst (fraction e)) x / value (snd (fraction e)) x.
Proof.
  intros holds X; induction e as [c| |a IH|a IHa b IHb|a IHa b IHb|a IHa b IHb|a IH n]; cbn [defined] in holds.
  - simpl; split; [lra|field; lra].
  - simpl; split; [lra|field; lra].
  - destruct (IH holds) as [N E]; cbn [meaning fraction].
    destruct (fraction a) as [p q]; cbn [fst snd] in *; rewrite E, value_scale; split; [exact N|field; exact N].
  - apply andb_prop in holds; destruct holds as [A B].
    destruct (IHa A) as [N E]; destruct (IHb B) as [M F]; cbn [meaning fraction].
    destruct (fraction a) as [p q]; destruct (fraction b) as [v w]; cbn [fst snd] in *.
    rewrite E, F, value_add, !value_mul; split; [now apply Rmult_integral_contrapositive|field; auto].
  - apply andb_prop in holds; destruct holds as [A B].
    destruct (IHa A) as [N E]; destruct (IHb B) as [M F]; cbn [meaning fraction].
    destruct (fraction a) as [p q]; destruct (fraction b) as [v w]; cbn [fst snd] in *.
    rewrite E, F, !value_mul; split; [now apply Rmult_integral_contrapositive|field; auto].
  - apply andb_prop in holds; destruct holds as [holds D]; apply andb_prop in holds; destruct holds as [A B].
    apply (nonzero_region _ _ x) in D; [|exact X].
    destruct (IHa A) as [N E]; destruct (IHb B) as [M F]; cbn [meaning fraction].
    destruct (fraction a) as [p q]; destruct (fraction b) as [v w]; cbn [fst snd] in *.
    rewrite E, F, !value_mul; split; [now apply Rmult_integral_contrapositive|field; auto].
  - destruct (IH holds) as [N E]; cbn [meaning fraction].
    destruct (fraction a) as [p q]; cbn [fst snd] in *; rewrite E, !value_power.
    split; [now apply pow_nonzero|].
    unfold Rdiv; now rewrite Rpow_mult_distr, pow_inv.
Qed.

Definition formula_nonnegative (e : formula) (g : region) : bool :=
  let (p, q) := fraction e in
  defined e g && (if at_least 1 p q 0 1 g then true else at_least (-1) p q 0 1 g).

Definition ordered (a b : formula) (g : region) : bool := formula_nonnegative (Add b (Neg a)) g.

Lemma ordered_sound a b g x : ordered a b g = true -> inside g x -> meaning a x <= meaning b x.
Proof.
  unfold ordered, formula_nonnegative; set (e := Add b (Neg a)).
  destruct (fraction e) as [p q] eqn:F; intros holds X.
  apply andb_prop in holds; destruct holds as [D L].
  destruct (fraction_sound e g x D X) as [_ E]; rewrite F in E; cbn [fst snd] in E.
  assert (0 / 1 <= value p x / value q x).
  { destruct (at_least 1 p q 0 1 g) eqn:K.
    - now apply at_least_sound with 1%Z g.
    - now apply at_least_sound with (-1)%Z g. }
  rewrite <- E in H; simpl in H; lra.
Qed.

Lemma max_first a b g x : ordered b a g = true -> inside g x -> Rmax (meaning a x) (meaning b x) = meaning a x.
Proof. intros; apply Rmax_left; now apply ordered_sound with g. Qed.

Lemma max_second a b g x : ordered a b g = true -> inside g x -> Rmax (meaning a x) (meaning b x) = meaning b x.
Proof. intros; apply Rmax_right; now apply ordered_sound with g. Qed.

Lemma min_first a b g x : ordered a b g = true -> inside g x -> Rmin (meaning a x) (meaning b x) = meaning a x.
Proof. intros; apply Rmin_left; now apply ordered_sound with g. Qed.

Lemma min_second a b g x : ordered b a g = true -> inside g x -> Rmin (meaning a x) (meaning b x) = meaning b x.
Proof. intros; apply Rmin_right; now apply ordered_sound with g. Qed.

Lemma abs_itself a g x : ordered (Const 0) a g = true -> inside g x -> Rabs (meaning a x) = meaning a x.
Proof. intros holds X; apply Rabs_pos_eq; now apply (ordered_sound (Const 0) a g). Qed.

Lemma abs_opposite a g x : ordered a (Const 0) g = true -> inside g x -> Rabs (meaning a x) = -1 * meaning a x.
Proof.
  intros holds X; rewrite Rabs_left1; [ring|].
  now apply (ordered_sound a (Const 0) g).
Qed.

Definition formula_close (w f : formula) (p q : list Z) (un ud : Z) (g : region) : bool :=
  let (a, b) := fraction w in
  let (c, d) := fraction f in
  defined w g && defined f g && (if close 1 a b c d p q un ud g then true else close (-1) a b c d p q un ud g).

Lemma formula_close_sound w f p q un ud g x : formula_close w f p q un ud g = true -> inside g x ->
  Rabs (meaning w x * (meaning f x - value p x / value q x)) <= IZR un / IZR ud.
Proof.
  unfold formula_close; destruct (fraction w) as [a b] eqn:W; destruct (fraction f) as [c d] eqn:F; intros holds X.
  apply andb_prop in holds; destruct holds as [holds C]; apply andb_prop in holds; destruct holds as [A B].
  destruct (fraction_sound w g x A X) as [_ E]; rewrite W in E; cbn [fst snd] in E.
  destruct (fraction_sound f g x B X) as [_ G]; rewrite F in G; cbn [fst snd] in G.
  rewrite E, G; destruct (close 1 a b c d p q un ud g) eqn:K.
  - now apply close_sound with 1%Z g.
  - now apply close_sound with (-1)%Z g.
Qed.

Lemma unweighted_close_sound f p q un ud g x : formula_close (Const 1) f p q un ud g = true -> inside g x ->
  Rabs (meaning f x - value p x / value q x) <= IZR un / IZR ud.
Proof.
  intros holds X; apply (formula_close_sound _ _ _ _ _ _ _ x) in holds; [|exact X].
  cbn [meaning] in holds; now rewrite Rmult_1_l in holds.
Qed.

(* The error is at least un / ud, on one side or on the other. *)
Definition formula_far (w f : formula) (p q : list Z) (un ud : Z) (g : region) : bool :=
  let (a, b) := fraction w in
  let (c, d) := fraction f in
  let top := mul a (add (mul c q) (scale (-1) (mul p d))) in
  let bottom := mul b (mul d q) in
  let turned := scale (-1) top in
  defined w g && defined f g && nonzero q g
  && (if at_least 1 top bottom un ud g then true else if at_least (-1) top bottom un ud g then true
      else if at_least 1 turned bottom un ud g then true else at_least (-1) turned bottom un ud g).

Lemma formula_far_sound w f p q un ud g x : formula_far w f p q un ud g = true -> inside g x ->
  IZR un / IZR ud <= Rabs (meaning w x * (meaning f x - value p x / value q x)).
Proof.
  unfold formula_far; destruct (fraction w) as [a b] eqn:W; destruct (fraction f) as [c d] eqn:F.
  set (top := mul a _); set (bottom := mul b _); intros holds X.
  apply andb_prop in holds; destruct holds as [holds C]; apply andb_prop in holds; destruct holds as [holds Q].
  apply andb_prop in holds; destruct holds as [A B].
  apply (nonzero_region _ _ _ Q) in X as N.
  destruct (fraction_sound w g x A X) as [V E]; rewrite W in V, E; cbn [fst snd] in V, E.
  destruct (fraction_sound f g x B X) as [G H]; rewrite F in G, H; cbn [fst snd] in G, H.
  assert (T : meaning w x * (meaning f x - value p x / value q x) = value top x / value bottom x).
  { unfold top, bottom; rewrite E, H, !value_mul, value_add, value_scale, !value_mul; field; auto. }
  assert (U : value (scale (-1) top) x / value bottom x = - (value top x / value bottom x))
    by (rewrite value_scale; unfold Rdiv; ring).
  rewrite T.
  assert (some : IZR un / IZR ud <= value top x / value bottom x
    \/ IZR un / IZR ud <= - (value top x / value bottom x)).
  { rewrite <- U.
    destruct (at_least 1 top bottom un ud g) eqn:K1; [left; now apply at_least_sound with 1%Z g|].
    destruct (at_least (-1) top bottom un ud g) eqn:K2; [left; now apply at_least_sound with (-1)%Z g|].
    destruct (at_least 1 (scale (-1) top) bottom un ud g) eqn:K3; [right; now apply at_least_sound with 1%Z g|].
    right; now apply at_least_sound with (-1)%Z g. }
  destruct some as [P|P].
  - apply Rle_trans with (1 := P), Rle_abs.
  - rewrite <- Rabs_Ropp; apply Rle_trans with (1 := P), Rle_abs.
Qed.

Lemma unweighted_far_sound f p q un ud g x : formula_far (Const 1) f p q un ud g = true -> inside g x ->
  IZR un / IZR ud <= Rabs (meaning f x - value p x / value q x).
Proof.
  intros holds X; apply (formula_far_sound _ _ _ _ _ _ _ x) in holds; [|exact X].
  cbn [meaning] in holds; now rewrite Rmult_1_l in holds.
Qed.

(** * Samples: (a / b, c / d) with the weight m / n *)

Definition sample_close (p q : list Z) (un ud : Z) (sample : Z * Z * Z * Z * Z * Z) : bool :=
  let '(a, b, c, d, m, n) := sample in
  formula_close (Div (Const m) (Const n)) (Div (Const c) (Const d)) p q un ud (Segment a a b).

Lemma samples_sound p q un ud samples : forallb (sample_close p q un ud) samples = true ->
  Forall (fun '(a, b, c, d, m, n) =>
    Rabs (IZR m / IZR n * (IZR c / IZR d - value p (IZR a / IZR b) / value q (IZR a / IZR b))) <= IZR un / IZR ud)
    samples.
Proof.
  rewrite forallb_forall, Forall_forall; intros holds s S; apply holds in S.
  destruct s as [[[[[a b] c] d] m] n]; apply (formula_close_sound _ _ _ _ _ _ _ (IZR a / IZR b)) in S; [exact S|].
  simpl; lra.
Qed.

(** * Weights that are numbers *)

Lemma constant_weight w e u v : Rabs e <= u -> Rabs w * u <= v -> Rabs (w * e) <= v.
Proof.
  intros E V; rewrite Rabs_mult; apply Rle_trans with (2 := V).
  apply Rmult_le_compat_l; [apply Rabs_pos|exact E].
Qed.

(* Evaluate a check and see that its answer is true. *)
Ltac compute_true := vm_cast_no_check (eq_refl true).
