(** * Signs of polynomials on intervals *)

(* The polynomial in y with x = (a + b y) / d, and the positive number by which it was multiplied. *)
Fixpoint compose (p : list Z) (a b d : Z) : list Z * Z :=
  match p with
  | [] => ([], 1%Z)
  | c :: q =>
      let (m, k) := compose q a b d in
      let k' := (k * d)%Z in
      (add [(c * k')%Z] (add (scale a m) (0%Z :: scale b m)), k')
  end.

Lemma compose_positive p a b d : (0 < d)%Z -> (0 < snd (compose p a b d))%Z.
Proof.
  intros D; induction p as [|c q IH]; simpl; [lia|].
  destruct (compose q a b d) as [m k]; simpl in *; now apply Z.mul_pos_pos.
Qed.

Lemma value_compose p a b d y : (0 < d)%Z ->
  value (fst (compose p a b d)) y = IZR (snd (compose p a b d)) * value p ((IZR a + IZR b * y) / IZR d).
Proof.
  intros D; assert (IZR d <> 0) by (apply not_0_IZR; lia).
  induction p as [|c q IH]; [simpl; ring|].
  cbn [compose]; destruct (compose q a b d) as [m k]; cbn [fst snd] in *.
  rewrite !value_add; cbn [value]; rewrite !value_scale, IH, !mult_IZR; field; assumption.
Qed.

Inductive region :=
| Segment (a b d : Z) (* a / d <= x <= b / d *)
| From (a d : Z)      (* a / d <= x *)
| Upto (a d : Z)      (* x <= a / d *)
| Line.

Definition inside (g : region) (x : R) : Prop :=
  match g with
  | Segment a b d => IZR a / IZR d <= x <= IZR b / IZR d
  | From a d => IZR a / IZR d <= x
  | Upto a d => x <= IZR a / IZR d
  | Line => True
  end.

Definition ray (strict : bool) (depth : nat) (p : list Z) (a b d : Z) : bool :=
  (0 <? d)%Z && check strict depth (fst (compose p a b d)).

Definition sign (strict : bool) (depth : nat) (p : list Z) (g : region) : bool :=
  match g with
  | Segment a b d => ((0 <? d) && (a <=? b))%Z && check strict depth (shift (fst (compose p a (b - a) d)))
  | From a d => ray strict depth p a d d
  | Upto a d => ray strict depth p a (- d) d
  | Line => ray strict depth p 0 1 1 && ray strict depth p 0 (-1) 1
  end.

Lemma ray_sound strict depth p a b d y :
  ray strict depth p a b d = true -> 0 <= y -> right_sign strict (value p ((IZR a + IZR b * y) / IZR d)).
Proof.
  unfold ray; intros holds Y; apply andb_prop in holds; destruct holds as [D C]; apply Z.ltb_lt in D.
  apply right_sign_scale with (IZR (snd (compose p a b d))); [apply IZR_lt, compose_positive, D|].
  rewrite <- value_compose, <- form_value by exact D.
  apply check_sound with depth; auto; lra.
Qed.

Lemma sign_sound strict depth p g x :
  sign strict depth p g = true -> inside g x -> right_sign strict (value p x).
Proof.
  destruct g as [a b d|a d|a d|]; simpl; intros holds X.
  - apply andb_prop in holds; destruct holds as [AB C]; apply andb_prop in AB; destruct AB as [D A].
    apply Z.ltb_lt in D; apply Z.leb_le in A.
    assert (D' : 0 < IZR d) by (apply IZR_lt, D).
    apply right_sign_scale with (IZR (snd (compose p a (b - a) d))); [apply IZR_lt, compose_positive, D|].
    assert (T : exists t, 0 <= t <= 1 /\ x = (IZR a + IZR (b - a) * t) / IZR d).
    { destruct X as [L U].
      apply Rmult_le_compat_r with (r := IZR d) in L; [|lra].
      apply Rmult_le_compat_r with (r := IZR d) in U; [|lra].
      replace (IZR a / IZR d * IZR d) with (IZR a) in L by (field; lra).
      replace (IZR b / IZR d * IZR d) with (IZR b) in U by (field; lra).
      rewrite minus_IZR.
      destruct (Z.eq_dec a b) as [E|E].
      - exists 0; subst b; split; [lra|].
        assert (x * IZR d = IZR a) as <- by lra; field; lra.
      - assert (W : 0 < IZR b - IZR a) by (assert (a < b)%Z as K by lia; apply IZR_lt in K; lra).
        exists ((x * IZR d - IZR a) / (IZR b - IZR a)); repeat split.
        + apply Rmult_le_reg_r with (IZR b - IZR a); [exact W|].
          replace ((x * IZR d - IZR a) / (IZR b - IZR a) * (IZR b - IZR a)) with (x * IZR d - IZR a)
            by (field; lra); lra.
        + apply Rmult_le_reg_r with (IZR b - IZR a); [exact W|].
          replace ((x * IZR d - IZR a) / (IZR b - IZR a) * (IZR b - IZR a)) with (x * IZR d - IZR a)
            by (field; lra); lra.
        + field; lra. }
    destruct T as (t & T & ->).
    rewrite <- value_compose, <- form_value by exact D.
    replace 1 with ((1 - t) + t) by ring.
    rewrite <- form_shift; apply check_sound with depth; auto; lra.
  - assert (D : 0 < IZR d) by (apply andb_prop in holds; destruct holds as [D _]; now apply Z.ltb_lt, IZR_lt in D).
    replace x with ((IZR a + IZR d * (x - IZR a / IZR d)) / IZR d) by (field; lra).
    apply ray_sound with depth; auto; lra.
  - assert (D : 0 < IZR d) by (apply andb_prop in holds; destruct holds as [D _]; now apply Z.ltb_lt, IZR_lt in D).
    replace x with ((IZR a + IZR (- d) * (IZR a / IZR d - x)) / IZR d) by (rewrite opp_IZR; field; lra).
    apply ray_sound with depth; auto; lra.
  - apply andb_prop in holds; destruct holds as [P N].
    destruct (Rle_or_lt 0 x).
    + replace x with ((0 + 1 * x) / 1) by field; apply (ray_sound strict depth p 0 1 1); auto.
    + replace x with ((0 + -1 * (- x)) / 1) by field; apply (ray_sound strict depth p 0 (-1) 1); auto; lra.
Qed.

Lemma inside_between g x y z : inside g x -> inside g z -> x <= y <= z -> inside g y.
Proof. destruct g; simpl; lra. Qed.

Definition depth : nat := 200.
Definition positive (p : list Z) (g : region) : bool := sign true depth p g.
Definition nonnegative (p : list Z) (g : region) : bool := sign false depth p g.

Lemma positive_sound p g x : positive p g = true -> inside g x -> 0 < value p x.
Proof. exact (sign_sound true depth p g x). Qed.

Lemma nonnegative_sound p g x : nonnegative p g = true -> inside g x -> 0 <= value p x.
Proof. exact (sign_sound false depth p g x). Qed.

(* s is 1 or -1: the sign that q has. *)
Lemma signed_sound s q g x : positive (scale s q) g = true -> inside g x -> 0 < IZR s * value q x.
Proof. intros holds X; rewrite <- value_scale; now apply positive_sound with g. Qed.

Lemma negative_sound q g x : positive (scale (-1) q) g = true -> inside g x -> value q x < 0.
Proof. intros holds X; apply (signed_sound _ _ _ _ holds) in X; lra. Qed.
